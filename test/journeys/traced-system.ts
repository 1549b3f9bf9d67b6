import { SpanReceiver, uniqueName } from '@slipstream/testing';
import { randomBytes } from 'node:crypto';
import { Journey } from './journey.ts';

export const CREATED = 'process orders.created.*';
/** What one order is made of from its created event on. */
export const LIFE = {
  [CREATED]: 2,
  'create payments.completed.v1': 1,
  'publish payments.completed.v1': 1,
  'process payments.completed.*': 1,
  'create inventory.reserved.v1': 1,
  'publish inventory.reserved.v1': 1,
  'process inventory.reserved.*': 1,
  'create orders.confirmed.v1': 1,
  'publish orders.confirmed.v1': 1,
  'process orders.*.*': 2,
  'process payments.*.*': 1,
  'process inventory.*.*': 1,
  'POST /charges': 1,
};
/** That of an order which somebody else published: order-intake registers it. It leaves out what order-service published. */
export const FOREIGN_LIFE = { ...LIFE, [CREATED]: 3 };
/** All that take part in every order. */
export const CONSUMERS = [
  'payment-orders',
  'inventory-orders',
  'order-payments',
  'order-inventory',
  'audit-orders',
  'audit-payments',
  'audit-inventory',
];

/** A context as a client outside of the system begins it. */
export function startTrace() {
  const traceId = randomBytes(16).toString('hex');
  const spanId = randomBytes(8).toString('hex');
  return { traceId, spanId, traceparent: `00-${traceId}-${spanId}-01` };
}

const order = () => ({
  customerId: 'cust-1',
  currency: 'EUR',
  lines: [{ sku: uniqueName('sku'), quantity: 1, unitPriceMinor: 1_250 }],
});

/** The whole system, and the collector that it sends its traces to. */
export class TracedSystem {
  private constructor(
    readonly receiver: SpanReceiver,
    readonly journey: Journey,
  ) {}

  static async start(): Promise<TracedSystem> {
    const receiver = await SpanReceiver.start();
    return new TracedSystem(receiver, await Journey.start({}, { env: receiver.environment }));
  }

  /** Places an order in a trace. @returns its id */
  async post(traceparent: string): Promise<string> {
    const headers = { traceparent, 'x-request-id': requestIdOf(traceparent) };
    const answer = await this.journey.request('order-service', 'POST', '/orders', order(), headers);
    return ((await answer.json()) as { orderId: string }).orderId;
  }

  async end(): Promise<void> {
    await this.journey.end();
    await this.receiver.stop();
  }
}

/** What the request of a trace calls itself. */
export function requestIdOf(traceparent: string): string {
  return `req-${traceparent.slice(3, 11)}`;
}
