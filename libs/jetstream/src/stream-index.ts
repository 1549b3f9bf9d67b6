import { DeliverPolicy, type JetStreamManager, type StreamInfo } from '@nats-io/jetstream';
import type { JetStreamConnection } from './connection.js';

/** Messages of one request to the server. */
const FETCH_SIZE = 1_000;
const FETCH_TIMEOUT_MS = 5_000;
/** First API level that reads several messages for one request (nats-server 2.11). */
const BATCH_GET_API_LEVEL = 1;

/** What is looked for in the streams. */
export interface StreamSearch {
  /** Subject of all the messages. */
  readonly subject: string;
  readonly messageIds: readonly string[];
  /** No message was stored before. */
  readonly since: Date;
  /** Most messages that are read to find them. */
  readonly limit: number;
}

/** What a search found, and how far it looked. */
export interface StreamFindings {
  /** Not in the stream; only those read in vain when `isComplete` is false. */
  readonly missing: readonly string[];
  /** False when the limit was reached before the end of the stream. */
  readonly isComplete: boolean;
  /** The stream may have let go of older messages as it is configured to. */
  readonly retainedSince: Date;
}

/** Tells which messages streams hold, without asking for each. */
export class StreamIndex {
  constructor(private readonly connection: JetStreamConnection) {}

  /**
   * Reads message ids from the stream that holds the subject, in order, until all were found.
   * @throws StreamNotFoundError of the client when no stream holds it
   */
  async search({ subject, messageIds, since, limit }: StreamSearch): Promise<StreamFindings> {
    const manager = await this.connection.manager();
    const info = await manager.streams.info(await manager.streams.find(subject));
    const wanted = new Set(messageIds);
    const range = { subject, since, limit };
    const isComplete = (await canReadDirectly(manager, info))
      ? await readDirectly(manager, info.config.name, range, wanted)
      : await this.readThroughConsumer(info.config.name, range, wanted);
    return { missing: [...wanted], isComplete, retainedSince: retainedSince(info) };
  }

  private async readThroughConsumer(
    stream: string,
    { subject, since, limit }: SearchRange,
    wanted: Set<string>,
  ): Promise<boolean> {
    const consumer = await this.connection.client.consumers.get(stream, {
      filter_subjects: subject,
      deliver_policy: DeliverPolicy.StartTime,
      opt_start_time: since.toISOString(),
      headers_only: true,
    });
    try {
      let { num_pending: left } = await consumer.info();
      for (let read = 0; wanted.size > 0 && left > 0;) {
        if (read >= limit) return false;
        const before = read;
        const max_messages = Math.min(FETCH_SIZE, left);
        for await (const message of await consumer.fetch({ max_messages, expires: FETCH_TIMEOUT_MS })) {
          wanted.delete(message.headers?.get('Nats-Msg-Id') ?? '');
          left = message.info.pending;
          read++;
        }
        // Neither found nor at its end: nothing may be concluded.
        if (read === before) return false;
      }
      return true;
    } finally {
      await consumer.delete().catch(() => undefined);
    }
  }
}

type SearchRange = Pick<StreamSearch, 'subject' | 'since' | 'limit'>;

async function canReadDirectly(manager: JetStreamManager, { config }: StreamInfo): Promise<boolean> {
  if (!config.allow_direct) return false;
  const { api } = await manager.getAccountInfo();
  return (api.level ?? 0) >= BATCH_GET_API_LEVEL;
}

/** Without a consumer: who may create one on a stream can have it sent anywhere. */
async function readDirectly(
  manager: JetStreamManager,
  stream: string,
  { subject, since, limit }: SearchRange,
  wanted: Set<string>,
): Promise<boolean> {
  let from: { start_time: Date } | { seq: number } = { start_time: since };
  for (let read = 0; wanted.size > 0;) {
    if (read >= limit) return false;
    let last = 0;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    await manager.direct.getBatch(stream, {
      ...from,
      next_by_subj: subject,
      batch: FETCH_SIZE,
      // As an iterator the client would leave its subscription behind.
      callback: (done, message) => {
        if (done) return done.err && !isNothingThere(done.err) ? reject(done.err) : resolve();
        wanted.delete(message.header.get('Nats-Msg-Id'));
        last = message.seq;
        read++;
      },
    });
    await promise;
    if (last === 0) return true;
    from = { seq: last + 1 };
  }
  return true;
}

function isNothingThere(error: Error): boolean {
  return (error as { code?: unknown }).code === 404;
}

function retainedSince({ config, state }: StreamInfo): Date {
  const byAge = config.max_age > 0 ? Date.now() - config.max_age / 1_000_000 : 0;
  const isLimited = [config.max_msgs, config.max_bytes, config.max_msgs_per_subject].some(
    (limit) => limit > 0,
  );
  const letsGoOfOld = isLimited && config.discard === 'old';
  return new Date(Math.max(byAge, letsGoOfOld ? new Date(state.first_ts).getTime() : 0));
}
