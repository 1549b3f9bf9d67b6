import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { MessageConflictError } from './errors.js';
import type { MessageIdentity } from './inbox.js';
import type { IdempotencyObserver } from './observer.js';

/** Hexadecimal: 8 digits for the subject, 16 for the body. */
export type Fingerprint = string;

const SUBJECT_DIGITS = 8;
const BODY_DIGITS = 16;

/** A message as it is stored: its id and, when its bytes are known, what they were. */
export interface Key {
  readonly messageId: string;
  readonly fingerprint: Fingerprint | undefined;
  /** When its stream stored it, in epoch milliseconds; Infinity when that is not known or does not matter. */
  readonly storedAt: number;
}

/** Half a microsecond for an ordinary event; 64 bits tell two bodies apart, and nobody gains by making them agree. */
export function fingerprintOf({ subject, data }: MessageIdentity): Fingerprint | undefined {
  if (subject === undefined || data === undefined) return undefined;
  return subjectDigits(subject) + hash('sha256', data, 'hex').slice(0, BODY_DIGITS);
}

/** An event may be published in two versions, on two subjects: only bodies of one subject can contradict each other. */
export function isConflict(stored: Fingerprint | undefined, incoming: Fingerprint | undefined): boolean {
  if (!stored || !incoming || stored === incoming) return false;
  return stored.slice(0, SUBJECT_DIGITS) === incoming.slice(0, SUBJECT_DIGITS);
}

/**
 * The messages of a batch, each id once; the first of its copies speaks for the others.
 * @throws MessageConflictError when two messages of the batch have one id and different bodies
 */
export function keysOf(messages: readonly MessageIdentity[], observer: IdempotencyObserver): Key[] {
  const keys = new Map<string, Key>();
  for (const message of messages) {
    const { messageId } = message;
    const fingerprint = fingerprintOf(message);
    const first = keys.get(messageId);
    const storedAt = message.isRedrive ? Infinity : (message.timestamp?.getTime() ?? Infinity);
    if (!first) keys.set(messageId, { messageId, fingerprint, storedAt });
    else if (isConflict(first.fingerprint, fingerprint)) throw conflict(message, observer);
  }
  return [...keys.values()];
}

/** Raises the alarm; the error is for the one who delivered the message. */
export function conflict(message: MessageIdentity, observer: IdempotencyObserver): MessageConflictError {
  observer.conflicted(message);
  return new MessageConflictError(message.consumer, message.messageId);
}

/** The subject of the last message, which is that of the next one nearly always. */
let lastSubject = { subject: '', digits: '0'.repeat(SUBJECT_DIGITS) };

function subjectDigits(subject: string): string {
  if (subject !== lastSubject.subject) {
    lastSubject = { subject, digits: crc32(subject).toString(16).padStart(SUBJECT_DIGITS, '0') };
  }
  return lastSubject.digits;
}
