import { jetstream, type ConsumerInfo, type JetStreamClient, type JsMsg } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { deadLetterStream, OPERATIONS_STREAM } from '@slipstream/jetstream';
import { toDeadLetter, type DeadLetter } from './dead-letter.js';
import { InvalidRequestError, NotFoundError } from './operations-errors.js';
import {
  causeOf,
  isRead,
  timeOfId,
  type FoundMessage,
  type LifeDelivery,
  type LifeOperation,
  type LifeOrder,
  type OrderLife,
  type Place,
  type Reader,
} from './order-life.js';
import { findOrder } from './order-state.js';
import { readStream } from './read-stream.js';
import { collect, isPartitionOf, isStreamMissing } from './server-state.js';

/** Clocks of producers, services and the broker differ. */
const MARGIN_MS = 10 * 60_000;
const OPENING_BRACE = 0x7b;
const ID_CHARACTER = /[\w-]/;
const DEFAULT_SPAN_MS = 24 * 60 * 60_000;
/** What more messages name is no order: a currency, a customer, a letter. */
const MOST_MESSAGES = 1_000;

export interface LifeOptions {
  /** Durables of all services. */
  readonly readers: readonly Reader[];
  /** Base URL of order-service. */
  readonly ordersUrl: string;
  /** Reads the streams from then on. @default ten minutes before the order, or a day ago when its time is not known */
  readonly since?: Date | undefined;
}

/** Follows orders through the streams, their consumers, the dead letters and what operators did. Changes nothing. */
export class OrderLives {
  private readonly js: JetStreamClient;

  constructor(
    nc: NatsConnection,
    private readonly options: LifeOptions,
  ) {
    this.js = jetstream(nc);
  }

  /**
   * @param id of an order, or of one of its messages
   * @throws NotFoundError when neither order-service nor a stream knows it
   */
  async find(id: string): Promise<OrderLife> {
    const asked = await findOrder(this.options.ordersUrl, id);
    let { order } = asked;
    let found = await this.scan(id, this.startOf(id, order));
    const orderId = order?.orderId ?? found.find((message) => message.orderId)?.orderId ?? null;
    if (orderId !== null && orderId !== id) {
      ({ order } = await findOrder(this.options.ordersUrl, orderId));
      found = await this.scan(orderId, this.startOf(orderId, order, found[0]));
    }
    if (!order && found.length === 0) throw unknown(id, this.options.since);
    return this.assemble(orderId, order, found, asked.note);
  }

  private async assemble(
    orderId: string | null,
    order: LifeOrder | null,
    found: readonly Found[],
    note: string | undefined,
  ): Promise<OrderLife> {
    const { readers } = this.options;
    const deliveriesOf = await this.deliveries(found);
    const messages = found.map((message, index) => ({
      ...withoutOrder(message),
      cause: causeOf(message, found.slice(0, index), readers),
      deliveries: deliveriesOf(message),
    }));
    const traceIds = [...new Set(found.flatMap(({ traceId }) => traceId ?? []))];
    const known = new Set(found.map(({ messageId }) => messageId));
    const missing = (order?.history ?? []).filter(({ messageId }) => !known.has(messageId));
    const absent = missing.map(
      ({ event, messageId }) =>
        `${event} (${messageId}) is in the history of the order, but in no stream: it waits in an outbox, or its stream has forgotten it.`,
    );
    return { orderId, order, traceIds, messages, notes: [...(note ? [note] : []), ...absent] };
  }

  /** Messages that name the id, of all streams, in the order of time. */
  private async scan(id: string, from: Date): Promise<Found[]> {
    const names = [...new Set(this.options.readers.map(({ stream }) => stream))];
    const lists = await Promise.all(
      names.map(async (stream) => {
        const found: Found[] = [];
        for await (const message of this.read(stream, from)) {
          if (!mentions(message, id)) continue;
          if (found.length === MOST_MESSAGES) throw tooMany(id);
          found.push(toFound(stream, message));
        }
        return found;
      }),
    );
    return lists.flat().toSorted((a, b) => a.at.localeCompare(b.at));
  }

  private async deliveries(
    found: readonly Found[],
  ): Promise<(message: Found | FoundMessage) => LifeDelivery[]> {
    const [first] = found;
    const from = new Date(first ? Date.parse(first.at) : Date.now());
    const streams = [...new Set(found.map(({ stream }) => stream))];
    const places = new Set(found.map(placeOf));
    const [letters, operations, consumers] = await Promise.all([
      this.deadLetters(streams, from, places),
      this.operations(from, places),
      this.consumers(streams),
    ]);
    return (message) =>
      this.options.readers
        .filter((reader) => isRead(message, reader))
        .map(({ service, consumer }) => {
          const isHere = (place: Place & { consumer: string }) =>
            place.consumer === consumer &&
            place.stream === message.stream &&
            place.sequence === message.sequence;
          const letter = letters.find(isHere);
          const infos =
            consumers.get(message.stream)?.filter(({ name }) => isPartitionOf(name, consumer)) ?? [];
          return {
            service,
            consumer,
            state: letter ? 'dead letter' : stateOf(message.sequence, infos),
            deadLetter: letter ? pick(letter) : null,
            operations: operations
              .filter(isHere)
              .map(({ kind, at, by, reason }) => ({ kind, at, by, reason })),
          };
        });
  }

  private async deadLetters(
    streams: readonly string[],
    from: Date,
    places: ReadonlySet<string>,
  ): Promise<DeadLetter[]> {
    const letters: DeadLetter[] = [];
    for (const stream of streams) {
      for await (const { seq, headers } of this.read(deadLetterStream(stream), from, true)) {
        const letter = headers && toDeadLetter({ stream, sequence: seq }, headers, 0);
        if (letter && places.has(placeOf(letter))) letters.push(letter);
      }
    }
    return letters;
  }

  private async operations(
    from: Date,
    places: ReadonlySet<string>,
  ): Promise<(LifeOperation & Place & { consumer: string })[]> {
    const done: (LifeOperation & Place & { consumer: string })[] = [];
    for await (const { subject, headers } of this.read(OPERATIONS_STREAM.name, from, true)) {
      const [, kind] = subject.split('.');
      if (!headers || (kind !== 'redrive' && kind !== 'discard')) continue;
      const stream = headers.get('dead-letter-stream');
      const sequence = Number(headers.get('dead-letter-sequence'));
      if (!places.has(placeOf({ stream, sequence }))) continue;
      done.push({
        kind,
        stream,
        sequence,
        consumer: headers.get('dead-letter-consumer'),
        at: headers.get('operation-at'),
        by: headers.get('operation-by'),
        reason: headers.get('operation-reason'),
      });
    }
    return done;
  }

  private async consumers(streams: readonly string[]): Promise<Map<string, ConsumerInfo[]>> {
    const manager = await this.js.jetstreamManager(false);
    const lists = streams.map(
      async (stream) => [stream, await collect(manager.consumers.list(stream))] as const,
    );
    return new Map(await Promise.all(lists));
  }

  /** A stream that nobody has needed so far holds nothing. */
  private async *read(stream: string, from: Date, isHeadersOnly = false): AsyncGenerator<JsMsg> {
    try {
      yield* readStream(this.js, { stream, from, isHeadersOnly });
    } catch (error) {
      if (!isStreamMissing(error)) throw error;
    }
  }

  private startOf(id: string, order: LifeOrder | null, found?: Found): Date {
    if (this.options.since) return this.options.since;
    const times = [timeOfId(id), order?.createdAt, order?.history[0]?.at, found?.at]
      .filter((time) => time !== undefined)
      .map((time) => new Date(time).getTime());
    return new Date(times.length > 0 ? Math.min(...times) - MARGIN_MS : Date.now() - DEFAULT_SPAN_MS);
  }
}

interface Found extends FoundMessage {
  readonly orderId: string | null;
}

function placeOf({ stream, sequence }: Place): string {
  return `${stream}:${sequence}`;
}

function mentions({ data, headers }: JsMsg, id: string): boolean {
  if (headers?.get('ce-subject') === id || headers?.get('ce-id') === id) return true;
  const body = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  // JSON has ids in quotes. In other encodings a longer id that ends like this one is taken for it, and shown.
  if (body[0] === OPENING_BRACE) return body.includes(`"${id}"`);
  for (let at = body.indexOf(id); at >= 0; at = body.indexOf(id, at + 1)) {
    if (!ID_CHARACTER.test(String.fromCharCode(body[at + id.length] ?? 0))) return true;
  }
  return false;
}

function toFound(stream: string, { seq, subject, time, headers, data }: JsMsg): Found {
  const header = (name: string) => headers?.get(name) || null;
  const body = parse(data);
  const traceName = headers?.keys().find((name) => name.toLowerCase() === 'traceparent');
  return {
    stream,
    sequence: seq,
    subject,
    messageId: header('ce-id') ?? body.message_id ?? null,
    orderId: header('ce-subject') ?? body.order_id ?? null,
    at: time.toISOString(),
    source: header('ce-source')?.replace(/^\//, '') ?? null,
    traceId: (traceName && headers?.get(traceName).split('-')[1]) || null,
  };
}

function parse(data: Uint8Array): { message_id?: string; order_id?: string } {
  try {
    const body: unknown = JSON.parse(Buffer.from(data).toString());
    const { message_id: messageId, order_id: orderId } = Object(body) as Record<string, unknown>;
    return {
      ...(typeof messageId === 'string' && { message_id: messageId }),
      ...(typeof orderId === 'string' && { order_id: orderId }),
    };
  } catch {
    return {};
  }
}

/** A partitioned durable has several consumers, all of which pass every message. */
function stateOf(sequence: number, infos: readonly ConsumerInfo[]): LifeDelivery['state'] {
  if (infos.length === 0) return 'unknown';
  const isSettled = ({ ack_floor: floor, delivered, num_ack_pending: pending }: ConsumerInfo) =>
    floor.stream_seq >= sequence || (pending === 0 && delivered.stream_seq >= sequence);
  if (infos.every(isSettled)) return 'settled';
  return infos.some(({ delivered }) => delivered.stream_seq < sequence) ? 'waiting' : 'under way';
}

function pick({
  id,
  errorCode,
  errorMessage,
  attempts,
}: DeadLetter): NonNullable<LifeDelivery['deadLetter']> {
  return { id, errorCode, errorMessage, attempts };
}

function tooMany(id: string): InvalidRequestError {
  return new InvalidRequestError(
    `"${id}" is in more than ${MOST_MESSAGES} messages of one stream`,
    'Give the id of an order or of one message.',
  );
}

function unknown(id: string, since: Date | undefined): NotFoundError {
  return new NotFoundError(
    `nothing is known of "${id}"`,
    since
      ? 'Look from an earlier time on (--since).'
      : 'If it is older than a day, say from when on to look (--since).',
  );
}

/** All messages of a life are of one order. */
function withoutOrder(found: Found): Omit<Found, 'orderId'> {
  const { orderId: _order, ...message } = found;
  return message;
}
