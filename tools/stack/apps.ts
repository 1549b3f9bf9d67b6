import { SERVICE_URLS } from '../../apps/service-urls.ts';

/** An app of the stack, and when it comes and goes. */
export interface AppSpec {
  readonly name: string;
  readonly port: number;
  readonly hasDocs: boolean;
  /** Apps of a stage start together, once those of the stage before are ready. */
  readonly startStage: number;
  /** Apps of a stage stop together, once those of the stage before have drained. */
  readonly stopStage: number;
}

export const APPS: readonly AppSpec[] = [
  { name: 'console', port: 3000, hasDocs: true, startStage: 0, stopStage: 0 },
  ...Object.values(SERVICE_URLS).map(({ service, port }) => ({
    name: service,
    port,
    hasDocs: true,
    startStage: 0,
    stopStage: 1,
  })),
  { name: 'order-producer', port: 3005, hasDocs: false, startStage: 1, stopStage: 0 },
  { name: 'payment-gateway', port: 3010, hasDocs: true, startStage: 0, stopStage: 2 },
];

/** The embedded servers' ports, by what listens there. */
export const SERVER_PORTS = { nats: 4222, 'nats-monitor': 8222, postgres: 5432 } as const;

/** Where services are, for what asks them. */
export function serviceUrlVariables(urls: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(SERVICE_URLS).map(([variable, { service }]) => [variable, urls[service] ?? '']),
  );
}

/** A port for each app by its name, and for each embedded server. */
export type StackPorts = Readonly<Record<string, number>>;
