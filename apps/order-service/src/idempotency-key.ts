import { ProblemException } from '@slipstream/bootstrap';
import type { IncomingMessage } from 'node:http';

const NAME = 'Idempotency-Key';
const KEY = /^[\x20-\x7e]{1,255}$/;

/**
 * The key a request was given, if any.
 * @throws ProblemException 400 when it is no key, or not the only one
 */
export function idempotencyKeyOf(request: IncomingMessage): string | undefined {
  const key = request.headers['idempotency-key'];
  if (key === undefined) return undefined;
  if (typeof key !== 'string' || !KEY.test(key)) throw refusal('must be 1 to 255 printable characters');
  // Several are joined by commas: as one key they would stand for no order that was placed with either.
  if (key.includes(',') && countOf(request) > 1) throw refusal('must be given once');
  return key;
}

function countOf({ headersDistinct }: IncomingMessage): number {
  return headersDistinct['idempotency-key']?.length ?? 0;
}

function refusal(reason: string): ProblemException {
  return new ProblemException(400, { detail: `${NAME} ${reason}`, errors: [{ field: NAME, reason }] });
}
