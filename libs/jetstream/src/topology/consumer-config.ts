import { AckPolicy, DeliverPolicy, type ConsumerConfig } from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import { MAX_ACK_PENDING } from '../handler.options.js';
import type { ConsumerPlan } from '../server/routes.js';

/** What the server is told of a durable consumer. */
export function consumerConfig({ options, routes }: ConsumerPlan): Partial<ConsumerConfig> {
  const filters = routes.map(({ pattern }) => pattern).toSorted();
  return {
    durable_name: options.durable,
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    ack_wait: nanos(options.ackWaitMs),
    // Unlimited, so that the transport always sees the message again and can dead-letter it itself.
    max_deliver: -1,
    max_ack_pending: MAX_ACK_PENDING,
    filter_subjects: filters,
  };
}

export function isSame(actual: unknown, wanted: unknown): boolean {
  if (Array.isArray(actual) && Array.isArray(wanted)) {
    return JSON.stringify(actual.toSorted()) === JSON.stringify(wanted.toSorted());
  }
  return actual === wanted;
}
