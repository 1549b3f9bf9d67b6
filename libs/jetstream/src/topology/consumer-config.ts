import { AckPolicy, DeliverPolicy, ReplayPolicy, type ConsumerConfig } from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import { deliverSubjectOf, type StartPosition } from '../delivery-options.js';
import { pinnedConfig } from '../server/keyed-plan.js';
import type { ConsumerPlan } from '../server/routes.js';

/** How long the server keeps the consumer of a process that was killed. */
const INACTIVE_THRESHOLD_MS = 5 * 60_000;

/** What the server is told of a durable consumer. */
export function consumerConfig(plan: ConsumerPlan): Partial<ConsumerConfig> {
  const { options, stream } = plan;
  const push = {
    deliver_subject: deliverSubjectOf(stream.name, options),
    deliver_group: options.queueGroup ?? options.durable,
  };
  return {
    durable_name: options.durable,
    ...acknowledged(plan),
    ...reading(plan, options.start),
    ...(options.delivery === 'push' ? push : {}),
  };
}

/**
 * What the server is told of a consumer that belongs to one process.
 * @param resumeAt stream sequence to go on from; the declared start when undefined
 */
export function ephemeralConsumerConfig(
  plan: ConsumerPlan,
  name: string,
  resumeAt: number | undefined,
): Partial<ConsumerConfig> {
  const { delivery, start } = plan.options;
  return {
    name,
    ...(delivery === 'ordered' ? { ack_policy: AckPolicy.None } : acknowledged(plan)),
    ...reading(plan, resumeAt === undefined ? start : { sequence: resumeAt }),
    inactive_threshold: nanos(INACTIVE_THRESHOLD_MS),
    // It is made anew where it left off when a server loses it.
    mem_storage: true,
    num_replicas: 1,
  };
}

function acknowledged({ options }: ConsumerPlan): Partial<ConsumerConfig> {
  return {
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(options.ackWaitMs),
    // Unlimited, so that the transport always sees the message again and can dead-letter it itself.
    max_deliver: -1,
    max_ack_pending: options.maxAckPending,
    ...(options.orderBy ? pinnedConfig(options) : {}),
  };
}

function reading({ options, routes }: ConsumerPlan, start: StartPosition): Partial<ConsumerConfig> {
  return {
    ...startConfig(start),
    replay_policy: options.replay === 'original' ? ReplayPolicy.Original : ReplayPolicy.Instant,
    filter_subjects: routes.map(({ pattern }) => pattern).toSorted(),
  };
}

const NAMED_STARTS = {
  all: DeliverPolicy.All,
  new: DeliverPolicy.New,
  last: DeliverPolicy.Last,
  'last-per-subject': DeliverPolicy.LastPerSubject,
} as const;

function startConfig(start: StartPosition): Partial<ConsumerConfig> {
  if (typeof start !== 'object') return { deliver_policy: NAMED_STARTS[start] };
  return 'sequence' in start
    ? { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: start.sequence }
    : { deliver_policy: DeliverPolicy.StartTime, opt_start_time: serverTime(new Date(start.time)) };
}

/** As the server writes it: a fraction without trailing zeros, so that comparing finds no difference. */
function serverTime(time: Date): string {
  return time.toISOString().replace(/\.?0+Z$/, 'Z');
}

export function isSame(actual: unknown, wanted: unknown): boolean {
  if (Array.isArray(actual) && Array.isArray(wanted)) {
    return JSON.stringify(actual.toSorted()) === JSON.stringify(wanted.toSorted());
  }
  return actual === wanted;
}
