import { matchesSubject } from '@slipstream/jetstream';
import type { DeadLetter } from './dead-letter.js';

/** A durable of a service, and what it reads. */
export interface Reader {
  readonly service: string;
  readonly consumer: string;
  readonly stream: string;
  readonly subjects: readonly string[];
}

/** Place of a message. */
export interface Place {
  readonly stream: string;
  readonly sequence: number;
}

/** What an operator did to a delivery. Time is ISO 8601. */
export interface LifeOperation {
  readonly kind: 'redrive' | 'discard';
  readonly at: string;
  readonly by: string;
  readonly reason: string;
}

/**
 * What became of a message at one consumer. `settled` = acknowledged, or dead-lettered and dealt with; `under way` =
 * delivered, or waiting for its next attempt; `waiting` = not delivered; `unknown` = there is no such consumer.
 */
export interface LifeDelivery {
  readonly service: string;
  readonly consumer: string;
  readonly state: 'settled' | 'under way' | 'waiting' | 'dead letter' | 'unknown';
  /** Present while it lies in the dead-letter stream. */
  readonly deadLetter: Pick<DeadLetter, 'id' | 'errorCode' | 'errorMessage' | 'attempts'> | null;
  readonly operations: readonly LifeOperation[];
}

/** A message of an order, and who read it. Null is not known. */
export interface LifeMessage extends Place {
  readonly subject: string;
  readonly messageId: string | null;
  /** When the stream stored it (ISO 8601). */
  readonly at: string;
  /** Service that published it; null for what came from outside without saying so. */
  readonly source: string | null;
  readonly traceId: string | null;
  /**
   * The last message before it that its service read: what brought it about, as far as streams tell. Null for the first.
   */
  readonly cause: Place | null;
  readonly deliveries: readonly LifeDelivery[];
}

/** Where an order stands. */
export interface LifeOrder {
  readonly orderId: string;
  readonly status: string;
  readonly reason: string | null;
  readonly createdAt: string;
  readonly history: readonly { readonly at: string; readonly event: string; readonly messageId: string }[];
}

/** All that is known of an order, from the services and the streams. */
export interface OrderLife {
  /** Null for a message that names none. */
  readonly orderId: string | null;
  /** Null when order-service does not know it. */
  readonly order: LifeOrder | null;
  readonly traceIds: readonly string[];
  /** In the order of time. */
  readonly messages: readonly LifeMessage[];
  /** What could not be asked, or is missing, in sentences. */
  readonly notes: readonly string[];
}

/** A message of an order before it is known what it has to do with the others. */
export type FoundMessage = Omit<LifeMessage, 'cause' | 'deliveries'>;

/** The last earlier message that the service of `message` reads. */
export function causeOf(
  message: FoundMessage,
  earlier: readonly FoundMessage[],
  readers: readonly Reader[],
): Place | null {
  const own = readers.filter(({ service }) => service === message.source);
  const cause = earlier.findLast((candidate) => own.some((reader) => isRead(candidate, reader)));
  return cause ? { stream: cause.stream, sequence: cause.sequence } : null;
}

export function isRead(
  { stream, subject }: Pick<FoundMessage, 'stream' | 'subject'>,
  reader: Reader,
): boolean {
  return reader.stream === stream && reader.subjects.some((pattern) => matchesSubject(pattern, subject));
}

/** Ids of version 7 begin with the time (RFC 9562). */
export function timeOfId(id: string): Date | undefined {
  const [, high, low] = /^([\da-f]{8})-([\da-f]{4})-7[\da-f]{3}-/i.exec(id) ?? [];
  return high === undefined ? undefined : new Date(parseInt(`${high}${low}`, 16));
}
