import { DeliverPolicy, type StreamInfo } from '@nats-io/jetstream';
import type { JetStreamConnection } from './connection.js';

/** Messages of one request to the server. */
const FETCH_SIZE = 1_000;
const FETCH_TIMEOUT_MS = 5_000;

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
    const { streams } = await this.connection.manager();
    const info = await streams.info(await streams.find(subject));
    const wanted = new Set(messageIds);
    const isComplete = await this.read(info.config.name, { subject, since, limit }, wanted);
    return { missing: [...wanted], isComplete, retainedSince: retainedSince(info) };
  }

  private async read(
    stream: string,
    { subject, since, limit }: Pick<StreamSearch, 'subject' | 'since' | 'limit'>,
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

function retainedSince({ config, state }: StreamInfo): Date {
  const byAge = config.max_age > 0 ? Date.now() - config.max_age / 1_000_000 : 0;
  const isLimited = [config.max_msgs, config.max_bytes, config.max_msgs_per_subject].some(
    (limit) => limit > 0,
  );
  const letsGoOfOld = isLimited && config.discard === 'old';
  return new Date(Math.max(byAge, letsGoOfOld ? new Date(state.first_ts).getTime() : 0));
}
