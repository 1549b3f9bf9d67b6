import {
  deadLetterStream,
  describeDelivery,
  describeRetryPolicy,
  type ConsumerPlan,
} from '@slipstream/jetstream';

/** A durable as the code declares it. */
export interface DescribedDurable {
  readonly durable: string;
  readonly stream: string;
  readonly subjects: readonly string[];
  /** How messages come and from where on, in words. */
  readonly mode: string;
  /** What is handled at the same time by one process, in words. */
  readonly delivery: string;
  /** Attempts, delays and what ends them, in words. */
  readonly retry: string;
  readonly deadLetters: { readonly stream: string; readonly subject: string };
  readonly ackWaitMs: number;
  readonly timeoutMs: number;
}

export interface DescribedService {
  readonly name: string;
  readonly durables: readonly DescribedDurable[];
}

export function describeDurable({ stream, options, routes }: ConsumerPlan): DescribedDurable {
  return {
    durable: options.durable,
    stream: stream.name,
    subjects: routes.map(({ pattern }) => pattern),
    mode: describeDelivery(options),
    delivery: describeHandling(options),
    retry: describeRetryPolicy(options),
    deadLetters: { stream: deadLetterStream(stream.name), subject: stream.deadLetterSubject },
    ackWaitMs: options.ackWaitMs,
    timeoutMs: options.timeoutMs,
  };
}

function describeHandling(options: ConsumerPlan['options']): string {
  const { concurrency, batch, raw, orderBy, partitions } = options;
  const unit = raw ? 'raw message' : 'message';
  const amount = batch
    ? `${counted(concurrency, 'batch', 'batches')} of up to ${counted(batch.size, unit, `${unit}s`)} at a time, ` +
      `waiting up to ${batch.lingerMs} ms for more`
    : `${counted(concurrency, unit, `${unit}s`)} at a time`;
  return orderBy ? `${amount}, in order per key, in ${partitions} partitions` : amount;
}

function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}
