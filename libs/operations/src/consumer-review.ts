import { jetstream, type ConsumerInfo, type JetStreamClient, type JsMsg } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { OPERATIONS_STREAM } from '@slipstream/jetstream';
import { DeadLetters } from './dead-letters.js';
import { readStream, requireRange, type StreamRange } from './read-stream.js';
import { requireConsumers } from './server-state.js';

/** Messages that are looked up together. */
const CHUNK_SIZE = 1_000;
const PAGE = 1_000;

/** Messages of a consumer. */
export interface ReviewRequest extends Pick<StreamRange, 'stream' | 'from' | 'to'> {
  readonly consumer: string;
}

/** A message that the server counts as settled. */
export type SettledMessage = Pick<JsMsg, 'seq' | 'subject' | 'headers' | 'data' | 'time'>;

/** Tells what a service's database knows: sequences of the messages that it has dealt with, and of those it cannot tell of. */
export type Recall = (
  messages: readonly SettledMessage[],
) => Promise<{ readonly known: ReadonlySet<number>; readonly unknown: ReadonlySet<number> }>;

export interface MissingMessage {
  readonly sequence: number;
  readonly subject: string;
  /** When the stream stored it (ISO 8601). */
  readonly at: string;
}

export interface ConsumerReview {
  /** Messages that the server counts as settled and the service was asked about. */
  readonly compared: number;
  /** Acked, and yet the service knows nothing of them. */
  readonly missing: readonly MissingMessage[];
  /** Not known to the service because they became dead letters, discarded ones included. */
  readonly deadLettered: number;
  /** So old that the service has forgotten which it has dealt with. */
  readonly unknown: number;
  /** Not settled yet. */
  readonly waiting: number;
}

/**
 * Compares what a consumer has settled by the server's word with what its service has dealt with by its own: a database
 * that was put back from a copy knows less than the server, which delivers none of it again.
 */
export class ConsumerReviews {
  private readonly js: JetStreamClient;
  private readonly letters: DeadLetters;

  constructor(nc: NatsConnection) {
    this.js = jetstream(nc);
    this.letters = new DeadLetters(nc);
  }

  /** @throws NotFoundError, InvalidRequestError */
  async review({ stream, consumer, from, to }: ReviewRequest, recall: Recall): Promise<ConsumerReview> {
    requireRange({ from, to });
    const manager = await this.js.jetstreamManager(false);
    const consumers = await requireConsumers(manager, stream, consumer);
    const floor = Math.min(...consumers.map(settledThrough));
    // Partitions of a durable read the same subjects.
    const [{ config }] = consumers;
    const subjects = config.filter_subjects ?? (config.filter_subject ? [config.filter_subject] : []);
    const unsettled: MissingMessage[] = [];
    const sum = { compared: 0, unknown: 0, waiting: 0 };
    let chunk: SettledMessage[] = [];
    const lookUp = async () => {
      const { known, unknown } = await recall(chunk);
      const strange = chunk.filter(({ seq }) => !known.has(seq) && !unknown.has(seq));
      unsettled.push(...strange.map(toMissing));
      sum.compared += chunk.length;
      sum.unknown += unknown.size;
      chunk = [];
    };
    for await (const message of readStream(this.js, { stream, from, to, subjects })) {
      if (message.seq > floor) sum.waiting++;
      else if (chunk.push(message) === CHUNK_SIZE) await lookUp();
    }
    if (chunk.length > 0) await lookUp();
    const missing = await this.withoutDeadLetters(unsettled, stream, consumer);
    return { ...sum, missing, deadLettered: unsettled.length - missing.length };
  }

  private async withoutDeadLetters(
    messages: readonly MissingMessage[],
    stream: string,
    consumer: string,
  ): Promise<MissingMessage[]> {
    if (messages.length === 0) return [];
    const dead = new Set<string>();
    for (let after: string | undefined; ;) {
      const { letters, next } = await this.letters.list(
        { stream, consumer },
        { limit: PAGE, ...(after !== undefined && { after }) },
      );
      for (const { sequence, firstAt } of letters) dead.add(keyOf(sequence, firstAt));
      if (next === null) break;
      after = next;
    }
    for await (const { headers } of this.discarded(stream, consumer)) {
      const [sequence, firstAt] = ['sequence', 'first-at'].map((name) => headers?.get(`dead-letter-${name}`));
      dead.add(keyOf(Number(sequence), firstAt ?? ''));
    }
    return messages.filter(({ sequence, at }) => !dead.has(keyOf(sequence, at)));
  }

  private discarded(stream: string, consumer: string): AsyncGenerator<JsMsg> {
    const subjects = [`operations.discard.${stream}.${consumer}.>`];
    return readStream(this.js, { stream: OPERATIONS_STREAM.name, subjects, isHeadersOnly: true });
  }
}

/** Sequence up to which nothing is left to settle. */
function settledThrough({ num_ack_pending: open, delivered, ack_floor: floor }: ConsumerInfo): number {
  return open === 0 ? delivered.stream_seq : floor.stream_seq;
}

function toMissing({ seq, subject, time }: SettledMessage): MissingMessage {
  return { sequence: seq, subject, at: time.toISOString() };
}

/** The time tells a message from one of a stream that was created anew. */
function keyOf(sequence: number, at: string): string {
  return `${sequence}:${at}`;
}
