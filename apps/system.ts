import type { JetStreamManager } from '@nats-io/jetstream';
import { readEnvironment, type Environment } from '@slipstream/bootstrap';
import { streams } from '@slipstream/contracts';
import {
  declareTopology,
  operatorPermissions,
  plansOf,
  provisionerPermissions,
  servicePermissions,
  type ConsumerPlan,
  type Permissions,
  type ServiceDeclaration,
  type TopologyDeclaration,
} from '@slipstream/jetstream';
import { InvalidRequestError, type Reader } from '@slipstream/operations';
import { streamEnvironment, type DeclaredService } from '@slipstream/service';
import { declaration as auditService } from './audit-service/src/declaration.js';
import { declaration as inventoryService } from './inventory-service/src/declaration.js';
import { declaration as orderService } from './order-service/src/declaration.js';
import { declaration as paymentService } from './payment-service/src/declaration.js';

/** Every service of this repository that handles messages. */
export const services: readonly DeclaredService[] = [
  orderService,
  paymentService,
  inventoryService,
  auditService,
];

/** Permissions are the same for older servers, which ignore what they do not know. */
const NEWEST_API_LEVEL = 2;

/** @throws InvalidRequestError naming the services there are */
export function requireService(name: string): DeclaredService {
  const service = services.find((candidate) => candidate.name === name);
  if (service) return service;
  const names = services.map((candidate) => candidate.name).join(', ');
  throw new InvalidRequestError(`there is no service ${name}`, `Give one of ${names}.`);
}

/** The durables of a service, with their handlers' options. */
export function durablesOf(service: ServiceDeclaration): ConsumerPlan[] {
  return plansOf(service, streams);
}

/** Who reads what, for following a message. */
export function readersOfSystem(): Reader[] {
  return services.flatMap((service) =>
    durablesOf(service).map(({ stream, options, routes }) => ({
      service: service.name,
      consumer: options.durable,
      stream: stream.name,
      subjects: routes.map(({ pattern }) => pattern),
    })),
  );
}

/**
 * All streams and consumers of the system, with the limits the environment sets.
 * @param apiLevel of the server
 * @param now some streams are those of a day
 * @throws EnvironmentError
 */
export function declareSystem(
  apiLevel: number,
  variables: Environment = process.env,
  now: Date = new Date(),
): TopologyDeclaration {
  const environment = readEnvironment(streamEnvironment, variables);
  return declareTopology(services, streams, {
    replicas: environment.STREAM_REPLICAS,
    limits: { maxAgeMs: environment.STREAM_MAX_AGE, maxBytes: environment.STREAM_MAX_BYTES },
    apiLevel,
    environment: variables,
    now,
  });
}

/** The declaration in the terms of the server at hand. */
export async function declareFor(manager: JetStreamManager): Promise<TopologyDeclaration> {
  const { api } = await manager.getAccountInfo();
  return declareSystem(api.level ?? 0);
}

/** What each role may do on the server: the services, the job that runs `streams apply`, operators and their console. */
export function permissionsOfRoles(): Map<string, Permissions> {
  const all = declareTopology(services, streams, { replicas: 1, apiLevel: NEWEST_API_LEVEL });
  return new Map([
    ...services.map((service) => [service.name, servicePermissions(service, streams)] as const),
    ['provisioner', provisionerPermissions('provisioner', all)],
    ...['operator', 'console'].map((role) => [role, operatorPermissions(role, all, streams)] as const),
  ]);
}
