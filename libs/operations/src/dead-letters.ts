import { jetstream, type JetStreamClient, type JsMsg, type StoredMsg } from '@nats-io/jetstream';
import { headers as createHeaders, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node';
import { deadLetterStream } from '@slipstream/jetstream';
import {
  parseDeadLetterId,
  toDeadLetter,
  toDetail,
  valuesOf,
  type DeadLetter,
  type DeadLetterDetail,
  type DeadLetterPosition,
} from './dead-letter.js';
import { DeadLetterNotFoundError, InvalidRequestError } from './operations-errors.js';
import { readStream } from './read-stream.js';
import { collect, requireStream } from './server-state.js';

const SUFFIX = deadLetterStream('');
const NO_HEADERS = createHeaders();
const NANOS_PER_MS = 1_000_000n;

/** Which dead letters; all that are given must hold. */
export interface DeadLetterFilter {
  readonly stream?: string | undefined;
  readonly consumer?: string | undefined;
  readonly errorClass?: string | undefined;
  readonly errorCode?: string | undefined;
}

export interface DeadLetterPage {
  readonly letters: readonly DeadLetter[];
  /** Id after which the next page begins; null on the last page. */
  readonly next: string | null;
}

/** Dead letters of one consumer that failed for the same reason. */
export interface DeadLetterGroup {
  readonly stream: string;
  readonly consumer: string;
  readonly errorCode: string;
  readonly errorClass: string;
  readonly count: number;
  /** When the first and the last of them gave up (ISO 8601). */
  readonly firstAt: string;
  readonly lastAt: string;
  /** The newest of them, with its message as an example. */
  readonly newestId: string;
  readonly newestMessage: string;
}

/** A dead letter as it is stored. */
export interface StoredDeadLetter {
  readonly letter: DeadLetter;
  readonly headers: MsgHdrs;
  readonly body: Uint8Array;
  readonly position: DeadLetterPosition;
  /** When it was stored, in epoch milliseconds. */
  readonly storedAtMs: number;
}

/** Finds dead letters and reads them. Changes nothing. */
export class DeadLetters {
  private readonly js: JetStreamClient;

  constructor(nc: NatsConnection) {
    this.js = jetstream(nc);
  }

  /**
   * One page, oldest first within each stream.
   * @throws NotFoundError, InvalidRequestError
   */
  async list(filter: DeadLetterFilter, page: { after?: string; limit: number }): Promise<DeadLetterPage> {
    const letters: DeadLetter[] = [];
    for await (const letter of this.scan(filter, page.after)) {
      if (letters.length === page.limit) return { letters, next: letters.at(-1)?.id ?? null };
      letters.push(letter);
    }
    return { letters, next: null };
  }

  /** Counts by consumer and error, most frequent first. */
  async group(filter: DeadLetterFilter): Promise<DeadLetterGroup[]> {
    const groups = new Map<string, DeadLetterGroup>();
    for await (const letter of this.scan(filter)) {
      const { stream, consumer, errorCode, errorClass, lastAt } = letter;
      const key = JSON.stringify([stream, consumer, errorCode, errorClass]);
      const former = groups.get(key);
      groups.set(key, {
        stream,
        consumer,
        errorCode,
        errorClass,
        lastAt,
        count: (former?.count ?? 0) + 1,
        firstAt: former?.firstAt ?? lastAt,
        newestId: letter.id,
        newestMessage: letter.errorMessage,
      });
    }
    return [...groups.values()].toSorted((a, b) => b.count - a.count);
  }

  /** @throws DeadLetterNotFoundError, InvalidRequestError */
  async show(id: string): Promise<DeadLetterDetail> {
    const { letter, headers, body } = await this.get(id);
    const isBodyCopied = headers.get('dead-letter-body') !== 'in-stream';
    const areHeadersCopied = headers.get('dead-letter-headers') !== 'in-stream';
    const original = isBodyCopied && areHeadersCopied ? undefined : await this.original(letter);
    return {
      ...toDetail(letter, headers, isBodyCopied ? body : original?.data),
      ...(areHeadersCopied ? {} : { headers: original ? valuesOf(original.header) : 'gone' }),
    };
  }

  /** @throws DeadLetterNotFoundError, InvalidRequestError */
  async get(id: string): Promise<StoredDeadLetter> {
    const position = requireId(id);
    const manager = await this.js.jetstreamManager(false);
    const name = deadLetterStream(position.stream);
    const { state } = await requireStream(manager, name);
    const stored = await manager.streams.getMessage(name, { seq: position.sequence });
    if (stored) return toStored(position, stored, stored.header, stored.time.getTime());
    throw new DeadLetterNotFoundError(
      `there is no dead letter ${id}`,
      position.sequence > state.last_seq
        ? 'There never was one; "dlq ls" lists those there are.'
        : 'It was redriven or discarded before, which the stream OPERATIONS shows; "dlq ls" lists what is left.',
    );
  }

  /** Those that are there now, with their bodies. */
  async *read(filter: DeadLetterFilter): AsyncGenerator<StoredDeadLetter> {
    for (const stream of await this.streams(filter)) {
      for await (const message of readStream(this.js, { stream: deadLetterStream(stream) })) {
        const stored = fromJsMsg(stream, message);
        if (isMatch(stored.letter, filter)) yield stored;
      }
    }
  }

  /** The message in the stream it came from, or undefined when it is gone. */
  async original({ stream, sequence, firstAt }: DeadLetter): Promise<StoredMsg | undefined> {
    if (sequence === 0) return undefined;
    const manager = await this.js.jetstreamManager(false);
    await requireStream(manager, stream);
    const message = await manager.streams.getMessage(stream, { seq: sequence });
    // A stream that was created anew has another message under this sequence. Of nanoseconds, consumers know fewer digits.
    const differenceMs = Math.abs((message?.time.getTime() ?? NaN) - Date.parse(firstAt));
    return differenceMs <= 1 && message ? message : undefined;
  }

  private async *scan(filter: DeadLetterFilter, after?: string): AsyncGenerator<DeadLetter> {
    const start = after === undefined ? undefined : requireId(after);
    for (const stream of await this.streams(filter)) {
      if (start && stream < start.stream) continue;
      const from = start?.stream === stream ? start.sequence + 1 : undefined;
      const range = { stream: deadLetterStream(stream), from, isHeadersOnly: true };
      for await (const message of readStream(this.js, range)) {
        const { letter } = fromJsMsg(stream, message);
        if (isMatch(letter, filter)) yield letter;
      }
    }
  }

  /** Streams that have dead letters of their own, by name. */
  private async streams({ stream }: DeadLetterFilter): Promise<string[]> {
    const manager = await this.js.jetstreamManager(false);
    if (stream !== undefined) {
      await requireStream(manager, deadLetterStream(stream));
      return [stream];
    }
    const names = await collect(manager.streams.names());
    return names
      .filter((name) => name.endsWith(SUFFIX))
      .map((name) => name.slice(0, -SUFFIX.length))
      .toSorted();
  }
}

function requireId(id: string): DeadLetterPosition {
  const position = parseDeadLetterId(id);
  if (position) return position;
  throw new InvalidRequestError(
    `"${id}" is no id of a dead letter`,
    'Take one that "dlq ls" shows, such as ORDERS:42.',
  );
}

function fromJsMsg(stream: string, message: JsMsg): StoredDeadLetter {
  // The client rounds its `time`, and a dead letter would be another one when it is read among others.
  const storedAtMs = Number(message.timestampNanos / NANOS_PER_MS);
  return toStored({ stream, sequence: message.seq }, message, message.headers, storedAtMs);
}

function toStored(
  position: DeadLetterPosition,
  { data }: Pick<JsMsg | StoredMsg, 'data'>,
  found: MsgHdrs | undefined,
  storedAtMs: number,
): StoredDeadLetter {
  const headers = found ?? NO_HEADERS;
  // With headers alone the server tells the size that it kept back.
  const bytes = Number(headers.get('Nats-Msg-Size') || data.length);
  return {
    letter: toDeadLetter(position, headers, bytes),
    headers,
    body: data,
    position,
    storedAtMs,
  };
}

function isMatch(letter: DeadLetter, filter: DeadLetterFilter): boolean {
  return (['consumer', 'errorClass', 'errorCode'] as const).every(
    (field) => filter[field] === undefined || filter[field] === letter[field],
  );
}
