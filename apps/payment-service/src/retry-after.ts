/** A day. No outage is announced for longer, and a timer of more than 25 days would be over at once. */
const LONGEST_MS = 24 * 60 * 60 * 1_000;

/**
 * Milliseconds that a Retry-After header asks to wait, in seconds or until a date, a day at most; 0 when it asks for nothing.
 */
export function retryAfterMs(header: string | undefined, now = Date.now()): number {
  if (header === undefined) return 0;
  const seconds = Number(header);
  const ms = Number.isFinite(seconds) ? seconds * 1_000 : Date.parse(header) - now;
  return ms > 0 ? Math.min(ms, LONGEST_MS) : 0;
}
