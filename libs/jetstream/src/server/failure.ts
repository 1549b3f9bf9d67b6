import { inspect } from 'node:util';
import { payloadStrings, redact } from '@slipstream/redaction';
import type { DecodedMessage } from '../codec.js';
import { JetStreamError } from '../errors.js';
import type { Failure } from '../observer.js';

const MAX_MESSAGE_LENGTH = 1_024;
const MAX_STACK_LENGTH = 4_096;

/**
 * What went wrong, as it is told in logs, dead letters and spans. What the message itself holds is left out, wherever the
 * error repeats it; its ids are not.
 */
export function describeFailure(error: unknown, decoded?: DecodedMessage): Failure {
  const outer = toError(error);
  const root = outer instanceof JetStreamError && outer.cause instanceof Error ? outer.cause : outer;
  const known = [decoded?.messageId, ...Object.values(decoded?.attributes ?? {})];
  const payload = payloadStrings(decoded?.payload, known);
  return {
    code: codeOf(root) ?? codeOf(outer) ?? 'UNKNOWN',
    errorClass: classOf(root),
    message: redact(textOf(outer.message), MAX_MESSAGE_LENGTH, payload),
    stack: redact(textOf(root.stack), MAX_STACK_LENGTH, payload),
  };
}

/** Anything can be thrown; what is no error has no stack worth keeping. */
function toError(thrown: unknown): Error {
  if (thrown instanceof Error) return thrown;
  const error = new Error(typeof thrown === 'string' ? thrown : inspect(thrown, { breakLength: Infinity }));
  error.stack = '';
  return error;
}

/** A class may declare the fields of an error anew, which empties them, or put anything there. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  return value === undefined || value === null ? '' : inspect(value, { breakLength: Infinity });
}

/** Most classes leave `name` as they inherit it. */
function classOf(error: Error): string {
  const name: unknown = error.name;
  return typeof name === 'string' && name !== 'Error' ? name : error.constructor.name;
}

function codeOf(error: Error): string | undefined {
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' ? code : undefined;
}
