let lastMs = -1;
let lastFragment = '';

/** The `time` field of a log line, as an ISO timestamp. Lines of one millisecond share one formatting. */
export function timestampFragment(): string {
  const now = Date.now();
  if (now !== lastMs) {
    lastMs = now;
    lastFragment = `,"time":"${new Date(now).toISOString()}"`;
  }
  return lastFragment;
}
