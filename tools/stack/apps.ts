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
  { name: 'order-service', port: 3001, hasDocs: true, startStage: 0, stopStage: 1 },
  { name: 'payment-service', port: 3002, hasDocs: true, startStage: 0, stopStage: 1 },
  { name: 'inventory-service', port: 3003, hasDocs: true, startStage: 0, stopStage: 1 },
  { name: 'audit-service', port: 3004, hasDocs: true, startStage: 0, stopStage: 1 },
  { name: 'order-producer', port: 3005, hasDocs: false, startStage: 1, stopStage: 0 },
  { name: 'payment-gateway', port: 3010, hasDocs: true, startStage: 0, stopStage: 2 },
];

/** The embedded servers' ports, by what listens there. */
export const SERVER_PORTS = { nats: 4222, 'nats-monitor': 8222, postgres: 5432 } as const;

/** A port for each app by its name, and for each embedded server. */
export type StackPorts = Readonly<Record<string, number>>;
