import { randomUUID } from 'node:crypto';
import { field } from './header-fields.js';
import { InvalidHeaderError, InvalidMessageError } from './publish-errors.js';

/** A message to publish. */
export interface OutgoingMessage {
  /** Subject that a stream holds, without wildcards. */
  readonly subject: string;
  /** Published as it is. */
  readonly data: Uint8Array;
  /**
   * Sent as `Nats-Msg-Id`: the stream stores a message with the same id once within its duplicate window.
   * @default a random UUID, so that a repeated attempt of this call is stored once
   */
  readonly messageId?: string;
  /** Values by name, one line each; names that begin with `Nats-` are the server's and refused. */
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * Messages of a batch with the same key are stored in the order of the batch: behind one that failed, the others of
   * its key are not sent. One that can never be published holds nobody back. Without a meaning outside of a batch.
   */
  readonly orderKey?: string;
  /**
   * The message is only stored when all of this holds at that moment. It is not repeated after a time-out: the server
   * looks at this before the message id, and would refuse a message that it has stored.
   */
  readonly expect?: PublishExpectations;
  /**
   * Milliseconds after which the stream forgets the message, rounded up to seconds, at least 1000 (ADR-43).
   * Needs nats-server 2.11 and a stream with `allow_msg_ttl`.
   * @default the stream's `max_age`
   */
  readonly ttlMs?: number;
  /**
   * The stream holds the message back until then (ADR-51); a time in the past means at once. What consumers get then
   * has its headers but no `Nats-Msg-Id`. Needs nats-server 2.12 and a stream with `allow_msg_schedules` that holds
   * the subjects `schedules.<stream>.>`. The server refuses that setting on streams that discard new messages.
   */
  readonly deliverAt?: Date;
  /** Milliseconds the stream holds the message back. Same needs as `deliverAt`. */
  readonly delayMs?: number;
}

/** What must hold when a message is stored, for writers that must not overtake each other. */
export interface PublishExpectations {
  /** Name of the stream that holds the subject. */
  readonly stream?: string;
  /** Sequence of the last message of the stream, 0 for none. */
  readonly lastSequence?: number;
  /** Sequence of the last message on the subject, 0 for none. */
  readonly lastSubjectSequence?: number;
  /** Message id of the last message of the stream. */
  readonly lastMessageId?: string;
}

/** A message as it goes over the connection. */
export interface WireMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  /** Its headers, checked, control headers included: a line each. */
  readonly fields: string;
  readonly messageId: string;
  /** True when the server may refuse to repeat it although it is stored. */
  readonly isConditional: boolean;
  readonly orderKey?: string | undefined;
  /** Bytes that count against the server's payload limit. */
  readonly size: number;
}

/** Where and when a message that is held back is delivered. */
export interface WireSchedule {
  /** Subject that holds the message until then. */
  readonly subject: string;
  readonly at: Date;
}

const LITERAL_SUBJECT = /^[^\s.*>]+(?:\.[^\s.*>]+)*$/;
/** RFC 822, section 3.1.2: printable ASCII without the colon. */
const HEADER_NAME = /^[!-9;-~]+$/;
const LINE_BREAK = /[\r\n]/;
const STATUS_LINE_BYTES = 'NATS/1.0\r\n\r\n'.length;
const SHORTEST_TTL_MS = 1_000;
/** Beyond its `max_control_line`, 4,096 bytes by default, the server ends the connection; an inbox and sizes need room. */
const MAX_SUBJECT_BYTES = 2_000;
/** Names that were found good; a program uses a few, and looking one up costs less than checking it. */
const goodHeaderNames = new Set<string>();
const MAX_GOOD_HEADER_NAMES = 1_000;

/** @throws InvalidMessageError when the message can never be published as it is */
export function toWire(message: OutgoingMessage, schedule?: WireSchedule): WireMessage {
  checkMessage(message);
  const messageId = message.messageId ?? randomUUID();
  let fields = '';
  const add = (name: string, value: string) => {
    if (LINE_BREAK.test(value)) {
      throw new InvalidHeaderError(`the value of header "${name}" holds a line break`, name, message);
    }
    fields += field(name, value);
  };
  for (const name in message.headers) {
    checkHeaderName(name, message);
    add(name, message.headers[name] ?? '');
  }
  add('Nats-Msg-Id', messageId);
  addControlHeaders(message, schedule, add);
  return {
    subject: schedule?.subject ?? message.subject,
    data: message.data,
    fields,
    messageId,
    isConditional: message.expect !== undefined,
    orderKey: message.orderKey,
    size: message.data.length + STATUS_LINE_BYTES + Buffer.byteLength(fields),
  };
}

/** The moment of delivery, or nothing for a message that is not held back. */
export function deliveryTime({
  deliverAt,
  delayMs,
}: Pick<OutgoingMessage, 'deliverAt' | 'delayMs'>): Date | undefined {
  return delayMs === undefined ? deliverAt : new Date(Date.now() + delayMs);
}

function addControlHeaders(
  { expect, ttlMs, subject }: OutgoingMessage,
  schedule: WireSchedule | undefined,
  add: (name: string, value: string) => void,
): void {
  if (ttlMs !== undefined) {
    add(schedule ? 'Nats-Schedule-TTL' : 'Nats-TTL', `${Math.ceil(ttlMs / 1_000)}s`);
  }
  if (schedule) {
    add('Nats-Schedule', `@at ${schedule.at.toISOString()}`);
    add('Nats-Schedule-Target', subject);
  }
  if (!expect) return;
  const { stream, lastSequence, lastSubjectSequence, lastMessageId } = expect;
  if (stream !== undefined) add('Nats-Expected-Stream', stream);
  if (lastSequence !== undefined) add('Nats-Expected-Last-Sequence', String(lastSequence));
  if (lastSubjectSequence !== undefined) {
    add('Nats-Expected-Last-Subject-Sequence', String(lastSubjectSequence));
  }
  if (lastMessageId !== undefined) add('Nats-Expected-Last-Msg-Id', lastMessageId);
}

function checkMessage(message: OutgoingMessage): void {
  const problem = findProblem(message);
  if (problem) throw new InvalidMessageError(problem, message);
}

function findProblem(message: OutgoingMessage): string | undefined {
  const { subject, messageId, ttlMs } = message;
  if (!LITERAL_SUBJECT.test(subject)) return `"${subject}" is no subject to publish on`;
  if (Buffer.byteLength(subject) > MAX_SUBJECT_BYTES) {
    return `the subject "${subject.slice(0, 100)}…" is longer than ${MAX_SUBJECT_BYTES} bytes`;
  }
  // The server takes an empty id for none and would store every repetition.
  if (messageId === '') return 'the message id is empty';
  if (ttlMs !== undefined && !(ttlMs >= SHORTEST_TTL_MS && Number.isFinite(ttlMs))) {
    return `ttlMs must be at least ${SHORTEST_TTL_MS}`;
  }
  return findScheduleProblem(message);
}

function findScheduleProblem(
  message: Pick<OutgoingMessage, 'deliverAt' | 'delayMs' | 'expect'>,
): string | undefined {
  const { deliverAt, delayMs, expect } = message;
  if (deliverAt === undefined && delayMs === undefined) return undefined;
  if (deliverAt !== undefined && delayMs !== undefined) return 'deliverAt and delayMs exclude each other';
  if (Number.isNaN(deliveryTime(message)?.getTime())) return 'the time of delivery is invalid';
  // They would be checked against the subject that holds the message back.
  if (expect) return 'expect cannot be combined with deliverAt or delayMs';
}

function checkHeaderName(name: string, message: OutgoingMessage): void {
  if (goodHeaderNames.has(name)) return;
  // A stray Nats-Rollup would purge the stream, a Nats-Msg-Id suppress somebody else's message.
  if (/^nats-/i.test(name)) {
    throw new InvalidHeaderError(`header "${name}" is reserved for the server`, name, message);
  }
  if (!HEADER_NAME.test(name)) {
    throw new InvalidHeaderError(`${JSON.stringify(name)} is no header name`, name, message);
  }
  if (goodHeaderNames.size < MAX_GOOD_HEADER_NAMES) goodHeaderNames.add(name);
}
