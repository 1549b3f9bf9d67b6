import { DeliverPolicy, type JetStreamClient, type JsMsg } from '@nats-io/jetstream';

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

/** Reads without leaving a trace: through a consumer of its own that remembers nothing. */
export async function* readStream(js: JetStreamClient, range: StreamRange): AsyncGenerator<JsMsg> {
  const manager = await js.jetstreamManager(false);
  const { state } = await manager.streams.info(range.stream);
  const last = typeof range.to === 'number' ? Math.min(range.to, state.last_seq) : state.last_seq;
  if (state.messages === 0 || (typeof range.from === 'number' && range.from > last)) return;
  const consumer = await openConsumer(js, range);
  if ((await consumer.info()).num_pending === 0) return;
  const messages = await consumer.consume({ max_messages: 500 });
  try {
    for await (const message of messages) {
      if (message.seq > last || (range.to instanceof Date && message.time > range.to)) break;
      yield message;
      if (message.seq === last || message.info.pending === 0) break;
    }
  } finally {
    await messages.close();
    await consumer.delete().catch(() => false);
  }
}

function openConsumer(js: JetStreamClient, { stream, from, subjects = [], isHeadersOnly }: StreamRange) {
  return js.consumers.get(stream, {
    ...startOf(from),
    ...(subjects.length > 0 ? { filter_subjects: [...subjects] } : {}),
    headers_only: isHeadersOnly ?? false,
  });
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
