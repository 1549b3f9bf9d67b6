import { DeliverPolicy, type JetStreamClient, type JsMsg } from '@nats-io/jetstream';
import { matchesSubject } from '@slipstream/jetstream';
import { InvalidRequestError } from './operations-errors.js';

/** Messages of one request, and how long one waits for those that are deleted meanwhile and never come. */
const FETCH_SIZE = 500;
const FETCH_EXPIRES_MS = 1_000;

/** Which messages of a stream to read, oldest first. */
export interface StreamRange {
  readonly stream: string;
  /** First sequence, or the time from which on. @default the first message */
  readonly from?: number | Date | undefined;
  /** Last sequence, or the time until which; both included. @default the last message there is now */
  readonly to?: number | Date | undefined;
  /** Subject patterns; every subject when empty. */
  readonly subjects?: readonly string[];
  /** Leaves the bodies on the server; `Nats-Msg-Size` tells their sizes. */
  readonly isHeadersOnly?: boolean;
}

/** @throws InvalidRequestError when the range ends before it begins */
export function requireRange({ from, to }: Pick<StreamRange, 'from' | 'to'>): void {
  if (from !== undefined && to !== undefined && typeof from === typeof to && from > to) {
    throw new InvalidRequestError('the range ends before it begins', 'Give a later end.');
  }
}

/** Reads without leaving a trace: through a consumer of its own that remembers nothing. */
export async function* readStream(js: JetStreamClient, range: StreamRange): AsyncGenerator<JsMsg> {
  const manager = await js.jetstreamManager(false);
  const { state } = await manager.streams.info(range.stream);
  const last = typeof range.to === 'number' ? Math.min(range.to, state.last_seq) : state.last_seq;
  if (state.messages === 0 || (typeof range.from === 'number' && range.from > last)) return;
  const consumer = await openConsumer(js, range);
  try {
    for (let { num_pending: left } = await consumer.info(); left > 0;) {
      let read = 0;
      const max_messages = Math.min(FETCH_SIZE, left);
      for await (const message of await consumer.fetch({ max_messages, expires: FETCH_EXPIRES_MS })) {
        if (message.seq > last || isLater(range, message)) return;
        if (isWanted(range, message)) yield message;
        if (message.seq === last) return;
        left = message.info.pending;
        read++;
      }
      // Nothing tells a consumer that what was to come was deleted.
      if (read < max_messages) left = (await consumer.info()).num_pending;
    }
  } finally {
    await consumer.delete().catch(() => false);
  }
}

function openConsumer(js: JetStreamClient, { stream, from, subjects = [], isHeadersOnly }: StreamRange) {
  return js.consumers.get(stream, {
    ...startOf(from),
    ...(subjects.length === 1 ? { filter_subjects: subjects[0] } : {}),
    headers_only: isHeadersOnly ?? false,
  });
}

/**
 * The client asks the server for several subjects by a request that does not name the consumer in its subject. Whoever may
 * send that could replace any durable, so operators may not.
 */
function isWanted({ subjects = [] }: StreamRange, { subject }: JsMsg): boolean {
  return subjects.length <= 1 || subjects.some((pattern) => matchesSubject(pattern, subject));
}

function isLater({ to }: StreamRange, { time }: JsMsg): boolean {
  return to instanceof Date && time > to;
}

function startOf(from: number | Date | undefined) {
  if (from instanceof Date) {
    return { deliver_policy: DeliverPolicy.StartTime, opt_start_time: from.toISOString() };
  }
  if (from !== undefined) {
    return { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: Math.max(1, from) };
  }
  return { deliver_policy: DeliverPolicy.All };
}
