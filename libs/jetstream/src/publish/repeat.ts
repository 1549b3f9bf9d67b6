import type { WireMessage } from './outgoing-message.js';
import {
  PublishConnectionClosedError,
  PublishError,
  PublishTimeoutError,
  StreamFullError,
} from './publish-errors.js';

const ATTEMPTS = 3;
const FIRST_DELAY_MS = 100;
const DELAY_FACTOR = 5;

/**
 * True when the same message may go through in a moment. A full stream does not empty while we wait, and the caller
 * must hold back; a closed connection stays closed.
 */
export function isWorthRepeating(
  error: unknown,
  { isConditional }: Pick<WireMessage, 'isConditional'>,
): boolean {
  if (!(error instanceof PublishError && error.isRetryable)) return false;
  if (error instanceof StreamFullError || error instanceof PublishConnectionClosedError) return false;
  return !(isConditional && error instanceof PublishTimeoutError);
}

/** Milliseconds before each repetition, in random halves so that publishers do not come back together. */
export function repeatDelays(random: () => number = Math.random): number[] {
  return Array.from(
    { length: ATTEMPTS - 1 },
    (_, index) => FIRST_DELAY_MS * DELAY_FACTOR ** index * (0.5 + random() / 2),
  );
}

/** Runs an attempt until it succeeds, fails for good, or was made three times. */
export async function repeat<T>(wire: WireMessage, attempt: (wire: WireMessage) => Promise<T>): Promise<T> {
  for (const delayMs of repeatDelays()) {
    try {
      return await attempt(wire);
    } catch (error) {
      if (!isWorthRepeating(error, wire)) throw error;
      await pause(delayMs);
    }
  }
  return attempt(wire);
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
