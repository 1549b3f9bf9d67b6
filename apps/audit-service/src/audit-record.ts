import type { MessageIdentity } from '@slipstream/idempotency';
import type { JetStreamContext } from '@slipstream/jetstream';

/** Keeps a byte order mark, which is part of the bytes. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A message exactly as it was in its stream. */
export interface AuditRecord {
  readonly stream: string;
  /** Sequence in the stream. */
  readonly sequence: number;
  readonly subject: string;
  /** When the stream stored it. */
  readonly at: string;
  readonly messageId: string;
  readonly headers: Readonly<Record<string, readonly string[]>>;
  /** The bytes as UTF-8 text, when they are that. */
  readonly body?: string;
  readonly bodyBase64?: string;
}

/** A delivery, as far as it is recorded. */
export type RecordedMessage = Pick<
  JetStreamContext,
  | 'stream'
  | 'consumer'
  | 'sequence'
  | 'subject'
  | 'timestamp'
  | 'messageId'
  | 'isRedelivered'
  | 'headers'
  | 'data'
>;

export function toAuditRecord(message: RecordedMessage): AuditRecord {
  const { stream, sequence, subject, timestamp, messageId } = message;
  return {
    stream,
    sequence,
    subject,
    at: timestamp.toISOString(),
    messageId,
    headers: Object.fromEntries(message.headers ?? []),
    ...bodyOf(message.data),
  };
}

/** A message's place in its stream; the time tells it from one of a stream that was created anew. */
export function placeOf({
  stream,
  sequence,
  timestamp,
}: Pick<RecordedMessage, 'stream' | 'sequence' | 'timestamp'>): string {
  return `${stream}:${sequence}:${timestamp.getTime()}`;
}

/** Durable that records a stream. */
export function recorderOf(stream: string): string {
  return `audit-${stream.toLowerCase()}`;
}

/**
 * Without its time: rather than miss a message that the inbox may have forgotten, the log holds it twice. With its subject
 * among what must not differ: one place holds one message, whoever has another sent in its name.
 */
export function identityOf(
  message: Omit<RecordedMessage, 'messageId' | 'headers'>,
): MessageIdentity & { readonly messageId: string } {
  const { consumer, isRedelivered, stream, subject } = message;
  const data = Buffer.concat([Buffer.from(`${subject}\n`), message.data]);
  return { consumer, isRedelivered, messageId: placeOf(message), subject: stream, data };
}

/** What a message that was recorded is known by. */
export function identityOfRecord(record: AuditRecord): MessageIdentity {
  const { stream, sequence, subject, at } = record;
  return identityOf({
    consumer: recorderOf(stream),
    isRedelivered: true,
    stream,
    sequence,
    subject,
    timestamp: new Date(at),
    data: bytesOf(record),
  });
}

/** The bytes of a recorded message. */
export function bytesOf({ body, bodyBase64 }: AuditRecord): Uint8Array {
  return bodyBase64 === undefined ? Buffer.from(body ?? '') : Buffer.from(bodyBase64, 'base64');
}

/** Bytes that are no text are kept too, because nobody can say yet what they will prove. */
function bodyOf(data: Uint8Array): { body: string } | { bodyBase64: string } {
  try {
    return { body: utf8.decode(data) };
  } catch {
    return { bodyBase64: Buffer.from(data).toString('base64') };
  }
}
