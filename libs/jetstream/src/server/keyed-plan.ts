import type { ConsumerConfig, JetStreamManager, PriorityPolicy } from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import { InvalidHandlerError, JetStreamError } from '../errors.js';
import { windowOf, type ResolvedHandlerOptions } from '../handler.options.js';
import type { ConsumerPlan } from './routes.js';

/** The server is too old to keep an order. Raised at start. */
export class OrderNotSupportedError extends JetStreamError {
  /** First nats-server release that can. */
  static readonly neededVersion = '2.11';
  readonly code = 'JS_ORDER_NOT_SUPPORTED';
  /** First nats-server release that can. */
  readonly neededVersion = OrderNotSupportedError.neededVersion;
}

/** The one priority group of a partition's consumer. */
export const PIN_GROUP = 'owner';
/** First server API level that pins a consumer to one client (2.11). */
const PINNING_API_LEVEL = 1;
const LEAST_WINDOW = 1_000;
const LONGEST_PIN_MS = 30_000;
const CONSUMER_NOT_FOUND = 10_014;

/** Messages that a process holds of each partition. Those that wait behind their key count too. */
export function keyedWindowOf(options: ResolvedHandlerOptions): number {
  return Math.max(LEAST_WINDOW, windowOf(options));
}

/** Milliseconds without a request after which the server gives a partition to another process. */
export function pinTimeoutMs({ ackWaitMs }: Pick<ResolvedHandlerOptions, 'ackWaitMs'>): number {
  return Math.min(LONGEST_PIN_MS, ackWaitMs);
}

/** What the server is told of a partition's consumer beyond what every consumer has. */
export function pinnedConfig(options: ResolvedHandlerOptions): Partial<ConsumerConfig> {
  return {
    // What a dead process held fits into what its successor may hold: collecting it cannot get stuck.
    max_ack_pending: keyedWindowOf(options),
    priority_groups: [PIN_GROUP],
    priority_policy: 'pinned_client' satisfies PriorityPolicy,
    priority_timeout: nanos(pinTimeoutMs(options)),
  };
}

/** The durables of a plan with `orderBy` on the server, one for each partition; any other plan as it is. */
export function serverPlans(plan: ConsumerPlan): ConsumerPlan[] {
  if (!plan.options.orderBy) return [plan];
  return Array.from({ length: plan.options.partitions }, (_, partition) => ({
    ...plan,
    options: { ...plan.options, durable: partitionName(plan.options.durable, partition) },
  }));
}

/**
 * Checks that the server can keep an order and that the durable has the declared number of partitions. With another
 * number most keys would move to consumers that have not seen them, or have seen them already.
 * @throws OrderNotSupportedError, InvalidHandlerError
 */
export async function assertOrderable(plan: ConsumerPlan, manager: JetStreamManager): Promise<void> {
  const { durable, partitions, orderBy } = plan.options;
  if (!orderBy) return;
  const { api } = await manager.getAccountInfo();
  if ((api.level ?? 0) < PINNING_API_LEVEL) {
    throw new OrderNotSupportedError(
      `orderBy of durable "${durable}" needs nats-server ${OrderNotSupportedError.neededVersion} or newer; upgrade the ` +
        'server, or declare the handler without orderBy',
    );
  }
  const exists = (partition: number) =>
    hasConsumer(manager, plan.stream.name, partitionName(durable, partition));
  const [hasFirst, hasLast, hasMore] = await Promise.all([
    exists(0),
    exists(partitions - 1),
    exists(partitions),
  ]);
  // The first is created last, so it tells that all are there.
  if (hasMore || (hasFirst && !hasLast)) {
    throw new InvalidHandlerError(
      `durable "${durable}" exists with another number of partitions than ${partitions}; set partitions to that number, ` +
        `or let it run empty, stop every process and delete the consumers ${partitionName(durable, 0)}, …`,
    );
  }
}

function partitionName(durable: string, partition: number): string {
  return `${durable}-p${partition}`;
}

async function hasConsumer(manager: JetStreamManager, stream: string, name: string): Promise<boolean> {
  try {
    await manager.consumers.info(stream, name);
    return true;
  } catch (error) {
    if ((error as { code?: unknown }).code === CONSUMER_NOT_FOUND) return false;
    throw error;
  }
}
