/** Milliseconds that a Retry-After header asks to wait, in seconds or until a date; 0 when it asks for nothing. */
export function retryAfterMs(header: string | undefined, now = Date.now()): number {
  if (header === undefined) return 0;
  const seconds = Number(header);
  const ms = Number.isFinite(seconds) ? seconds * 1_000 : Date.parse(header) - now;
  return ms > 0 ? ms : 0;
}
