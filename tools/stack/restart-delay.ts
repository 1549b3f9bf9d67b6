const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 5_000;
/** Whoever ran this long has recovered; its next failure is a new story. */
export const RECOVERED_AFTER_MS = 30_000;

/** How long to wait before a restart, by the number of failures in a row. */
export function restartDelayMs(failures: number): number {
  return Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.max(0, failures - 1));
}
