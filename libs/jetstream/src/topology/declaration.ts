import type { Type } from '@nestjs/common';
import type { MessageHandler } from '@nestjs/microservices';
import {
  PATTERN_EXTRAS_METADATA,
  PATTERN_HANDLER_METADATA,
  PATTERN_METADATA,
  TRANSPORT_METADATA,
} from '@nestjs/microservices/constants.js';
import { PatternHandler } from '@nestjs/microservices/enums/pattern-handler.enum.js';
import { isEphemeral } from '../delivery-options.js';
import { JETSTREAM_TRANSPORT } from '../event-pattern.decorator.js';
import type { HandlerOptions, HandlerOverrides } from '../handler.options.js';
import { sweeperPlan } from '../server/advisory-sweeper.js';
import { serverPlans } from '../server/keyed-plan.js';
import { redrivePlan } from '../server/redrive.js';
import { planConsumers, type ConsumerPlan, type HandlerRegistration } from '../server/routes.js';
import type { ConsumerSettings } from './compare-consumers.js';
import { consumerConfig } from './consumer-config.js';
import { streamSettings, type StreamDefaults, type StreamSettings } from './stream-config.js';
import type { StreamDefinition } from './stream-definition.js';

/** What one service says of itself in code. */
export interface ServiceDeclaration {
  readonly name: string;
  /** Its controllers with JetStream handlers; others may be among them. */
  readonly controllers: readonly Type[];
  /** Options of handlers it takes from configuration. */
  readonly handlers?: HandlerOverrides;
  /** Events it publishes. */
  readonly publishes?: readonly { readonly subject: string }[];
  /** Streams that it alone writes, beside those of events. */
  readonly storage?: (circumstances: StorageCircumstances) => OwnStorage;
  /**
   * Whether it looks after all streams where services only bind: dead-letters what the server gave up on, and sees how far
   * every consumer is. One service of a system is enough.
   */
  readonly overseesStreams?: boolean;
}

/** What the streams of a service may depend on. */
export interface StorageCircumstances {
  readonly replicas: number;
  readonly now: Date;
  /** Variables that the service reads. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** What a service keeps beside events. */
export interface OwnStorage {
  readonly streams: readonly StreamSettings[];
  /** True for the name of a stream that nothing is written to any more, and that the server is to keep as it is. */
  readonly isOver?: (stream: string) => boolean;
  /** Subjects it publishes on for it, the server's own included, and those on which it must not. */
  readonly publish: readonly string[];
  readonly mustNotPublish?: readonly string[];
}

/** Streams and durable consumers as the code wants them. */
export interface TopologyDeclaration {
  readonly streams: readonly StreamSettings[];
  readonly consumers: readonly ConsumerSettings[];
  /** True for the name of a stream that is to be sealed, if it exists. @default none */
  readonly isOver?: (stream: string) => boolean;
}

/**
 * The durable consumers of a service, read from the decorators of its controllers. Needs no broker and creates nothing.
 * @throws InvalidHandlerError when the declarations cannot work
 */
export function plansOf(
  { controllers, handlers }: ServiceDeclaration,
  streams: readonly StreamDefinition[],
): ConsumerPlan[] {
  return planConsumers(controllers.flatMap(registrationsOf), streams, handlers);
}

/**
 * Everything that several services want of the server together. Needs no broker.
 * @param defaults with what the services' own streams depend on: now, and variables of the environment
 */
export function declareTopology(
  services: readonly ServiceDeclaration[],
  streams: readonly StreamDefinition[],
  defaults: StreamDefaults & Partial<StorageCircumstances>,
): TopologyDeclaration {
  const storages = services.flatMap(({ storage }) =>
    storage ? [storage({ now: new Date(), environment: {}, ...defaults })] : [],
  );
  const plans = services.flatMap((service) => plansOf(service, streams));
  const all = [...plans.flatMap(serverPlans), ...plans.map((plan) => redrivePlan(plan))];
  if (plans.length > 0) all.push(...streams.map((stream) => sweeperPlan(stream)));
  // A consumer that belongs to one process comes and goes with it.
  const durables = all.filter(({ options }) => !isEphemeral(options));
  return {
    streams: [...streamSettings(streams, defaults), ...storages.flatMap((storage) => storage.streams)],
    consumers: durables.map(consumerSettings),
    isOver: (stream) => storages.some(({ isOver }) => isOver?.(stream) ?? false),
  };
}

/** What the server is told of the durable of a plan. */
export function consumerSettings(plan: ConsumerPlan): ConsumerSettings {
  return {
    stream: plan.stream.name,
    config: { ...consumerConfig(plan), durable_name: plan.options.durable },
  };
}

function registrationsOf(controller: Type): HandlerRegistration[] {
  const prototype = controller.prototype as Record<string, MessageHandler>;
  return methodsOf(prototype).flatMap((handler) => {
    const isOurs =
      Reflect.getMetadata(TRANSPORT_METADATA, handler) === JETSTREAM_TRANSPORT &&
      Reflect.getMetadata(PATTERN_HANDLER_METADATA, handler) === PatternHandler.EVENT;
    if (!isOurs) return [];
    const options = Reflect.getMetadata(PATTERN_EXTRAS_METADATA, handler) as HandlerOptions;
    const patterns = Reflect.getMetadata(PATTERN_METADATA, handler) as readonly string[];
    return patterns.map((pattern) => ({ pattern, handler, options }));
  });
}

/** Inherited ones too, as Nest finds them. */
function methodsOf(prototype: Record<string, MessageHandler>): MessageHandler[] {
  const methods = new Map<string, MessageHandler>();
  for (let level = prototype; level !== Object.prototype; level = Object.getPrototypeOf(level)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(level))) {
      if (typeof value === 'function' && !methods.has(name)) methods.set(name, value as MessageHandler);
    }
  }
  return [...methods.values()];
}
