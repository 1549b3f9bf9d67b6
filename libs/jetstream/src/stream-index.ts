import { DeliverPolicy, type JetStreamManager, type StreamInfo } from '@nats-io/jetstream';
import { isDeepStrictEqual } from 'node:util';
import type { JetStreamConnection } from './connection.js';

/** Messages of one request to the server. */
const FETCH_SIZE = 1_000;
const FETCH_TIMEOUT_MS = 5_000;
/** Ids beyond those looked for that a position remembers. */
const MAX_AHEAD = 100_000;
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
  /** Where a search for earlier messages of this subject ended, to read nothing twice. @default at `since` */
  readonly from?: StreamPosition;
  /** What was stored later may still be lost: no position lies beyond it. @default whatever is there stays */
  readonly settledBefore?: Date;
}

/** How far a search has read. */
export interface StreamPosition {
  readonly stream: string;
  /** When the stream was created, which tells it from one that takes its place. */
  readonly created: string;
  /** The last message read, which tells whether the stream still holds what was read. */
  readonly last: StoredMessage;
  /** Ids of messages up to it that were not looked for. */
  readonly ahead: ReadonlySet<string>;
}

/** What tells a message from another one of its sequence, stored when the stream had lost it. */
interface StoredMessage {
  readonly sequence: number;
  readonly id: string;
  /** In milliseconds. */
  readonly storedAt: number;
}

/** What a search found, and how far it looked. */
export interface StreamFindings {
  /** Not in the stream; only those read in vain when `isComplete` is false. */
  readonly missing: readonly string[];
  /** Found, but stored too recently to count as found for good. */
  readonly unsettled: readonly string[];
  /** False when the limit was reached before the end of the stream. */
  readonly isComplete: boolean;
  /** The stream may have let go of older messages as it is configured to. */
  readonly retainedSince: Date;
  /** Where to go on with later messages; none when too much was read that was not looked for. */
  readonly position?: StreamPosition;
}

/** Tells which messages streams hold, without asking for each. */
export class StreamIndex {
  constructor(private readonly connection: JetStreamConnection) {}

  /**
   * Reads message ids from the stream that holds the subject, in order, until all were found.
   * @throws StreamNotFoundError of the client when no stream holds it
   */
  async search({ from, messageIds, settledBefore, ...wanted }: StreamSearch): Promise<StreamFindings> {
    const manager = await this.connection.manager();
    const info = await manager.streams.info(await manager.streams.find(wanted.subject));
    const range = { ...wanted, stream: info.config.name };
    const read: Reader = (await canReadDirectly(manager, info))
      ? (some, into) => readDirectly(manager, some, into)
      : (some, into) => this.readThroughConsumer(some, into);
    const isHeld = from && isOf(from, info) && (await holds(from.last, range, read));
    const reading = new Reading(messageIds, isHeld ? from : undefined, settledBefore);
    const isComplete = await read(range, reading);
    const position = reading.position(info);
    return {
      missing: reading.missing,
      unsettled: reading.unsettled,
      isComplete,
      retainedSince: retainedSince(info),
      ...(position && { position }),
    };
  }

  private async readThroughConsumer(
    { stream, subject, since, limit }: SearchRange,
    reading: Reading,
  ): Promise<boolean> {
    if (reading.isDone) return true;
    const { next } = reading;
    const consumer = await this.connection.client.consumers.get(stream, {
      filter_subjects: subject,
      ...(next === undefined
        ? { deliver_policy: DeliverPolicy.StartTime, opt_start_time: since.toISOString() }
        : { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: next }),
      headers_only: true,
    });
    try {
      let { num_pending: left } = await consumer.info();
      while (!reading.isDone && left > 0) {
        if (reading.count >= limit) return false;
        const before = reading.count;
        const max_messages = Math.min(FETCH_SIZE, left, limit - reading.count);
        for await (const message of await consumer.fetch({ max_messages, expires: FETCH_TIMEOUT_MS })) {
          const id = message.headers?.get('Nats-Msg-Id') ?? '';
          reading.see({ sequence: message.seq, id, storedAt: message.time.getTime() });
          left = message.info.pending;
        }
        // Neither found nor at its end: nothing may be concluded.
        if (reading.count === before) return false;
      }
      return true;
    } finally {
      await consumer.delete().catch(() => undefined);
    }
  }
}

type SearchRange = Pick<StreamSearch, 'subject' | 'since' | 'limit'> & { readonly stream: string };

/** @returns false when it ended before the end of the stream, with something still looked for */
type Reader = (range: SearchRange, reading: Reading) => Promise<boolean>;

/** What is still looked for while a stream is read. */
class Reading {
  /** Messages read so far. */
  count = 0;
  /** Sequence to go on at; none before the first message. */
  next: number | undefined;
  /** The last message before those which may still be lost. */
  last: StoredMessage | undefined;
  readonly unsettled: string[] = [];
  private readonly wanted: Set<string>;
  private readonly ahead: Set<string>;
  private hasFound: boolean;
  private isSettled = true;

  constructor(
    messageIds: readonly string[],
    from?: StreamPosition,
    private readonly settledBefore?: Date,
  ) {
    this.next = from && from.last.sequence + 1;
    this.last = from?.last;
    this.hasFound = from !== undefined;
    this.ahead = new Set(from?.ahead);
    this.wanted = new Set(messageIds.filter((id) => !this.ahead.delete(id)));
  }

  get isDone(): boolean {
    return this.wanted.size === 0;
  }

  get missing(): string[] {
    return [...this.wanted];
  }

  see(message: StoredMessage): void {
    const { sequence, id, storedAt } = message;
    this.count++;
    this.next = sequence + 1;
    const isWanted = this.wanted.delete(id);
    if (isWanted) this.hasFound = true;
    // What a power cut may still take must be read again: neither a position nor `ahead` may vouch for it.
    this.isSettled &&= !this.settledBefore || storedAt < this.settledBefore.getTime();
    if (this.isSettled) this.pass(message, isWanted);
    else if (isWanted) this.unsettled.push(id);
  }

  private pass(message: StoredMessage, isWanted: boolean): void {
    this.last = message;
    if (isWanted) return;
    // What lies before the first one is older than what is looked for now or later.
    // One more than a position takes tells that it is too much; the rest of a long stream must not fill the memory.
    if (this.hasFound && this.ahead.size <= MAX_AHEAD) this.ahead.add(message.id);
  }

  position({ config, created }: StreamInfo): StreamPosition | undefined {
    const { last, ahead } = this;
    if (!last || ahead.size > MAX_AHEAD) return undefined;
    return { stream: config.name, created, last, ahead };
  }
}

function isOf(position: StreamPosition, { config, created }: StreamInfo): boolean {
  return position.stream === config.name && position.created === created;
}

/**
 * False for a stream that lost its end, although others may have taken the sequences since: what was read before may be
 * gone. Also when the message was let go of as configured: to start anew costs time, to trust it could cost events.
 */
async function holds(last: StoredMessage, range: SearchRange, read: Reader): Promise<boolean> {
  const check = new Reading([last.id]);
  check.next = last.sequence;
  await read({ ...range, limit: 1 }, check);
  return isDeepStrictEqual(check.last, last);
}

async function canReadDirectly(manager: JetStreamManager, { config }: StreamInfo): Promise<boolean> {
  if (!config.allow_direct) return false;
  const { api } = await manager.getAccountInfo();
  return (api.level ?? 0) >= BATCH_GET_API_LEVEL;
}

/** Without a consumer: who may create one on a stream can have it sent anywhere. */
async function readDirectly(
  manager: JetStreamManager,
  { stream, subject, since, limit }: SearchRange,
  reading: Reading,
): Promise<boolean> {
  while (!reading.isDone) {
    if (reading.count >= limit) return false;
    const before = reading.count;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    await manager.direct.getBatch(stream, {
      ...(reading.next === undefined ? { start_time: since } : { seq: reading.next }),
      next_by_subj: subject,
      batch: Math.min(FETCH_SIZE, limit - reading.count),
      // As an iterator the client would leave its subscription behind.
      callback: (done, message) => {
        if (done) return done.err && !isNothingThere(done.err) ? reject(done.err) : resolve();
        const id = message.header.get('Nats-Msg-Id');
        reading.see({ sequence: message.seq, id, storedAt: message.time.getTime() });
      },
    });
    await promise;
    if (reading.count === before) return true;
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
