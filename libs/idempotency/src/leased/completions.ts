import { setTimeout as delay } from 'node:timers/promises';
import { LeaseLostError } from '../errors.js';
import type { Reservation, ReservationStore } from './reservations.js';

const RETRY_MS = 100;
/** How long who ran the effect waits for the store; then its message comes again, and finds out what became of this. */
const WAIT_MS = 5_000;
/** Messages come again for as long as the store is away, and each would leave one more behind. */
const GIVE_UP_MS = 3_600_000;

/**
 * Says "done" until the store has heard it. An effect that has run must not run again because the store was away for a
 * moment: its lease may end meanwhile, but as long as nobody has taken it over, "done" counts.
 */
export class Completions {
  private readonly underWay = new Set<string>();

  constructor(private readonly store: ReservationStore) {}

  /** True while the effect of one of the messages has run here and the store has not heard of it. */
  includes(consumer: string, messages: readonly { readonly messageId: string }[]): boolean {
    if (this.underWay.size === 0) return false;
    return messages.some(({ messageId }) => this.underWay.has(nameOf(consumer, messageId)));
  }

  /**
   * @throws LeaseLostError when another process has taken one of them over, or what the store failed with for five
   * seconds, after which it goes on in the background
   */
  async complete(consumer: string, held: readonly Reservation[]): Promise<void> {
    const names = held.map(({ messageId }) => nameOf(consumer, messageId));
    for (const name of names) this.underWay.add(name);
    const { promise: failure, reject: tell } = Promise.withResolvers<never>();
    failure.catch(() => undefined);
    const heard = this.untilHeard(consumer, held, tell).finally(() => {
      for (const name of names) this.underWay.delete(name);
    });
    await Promise.race([heard, failure]);
  }

  private async untilHeard(
    consumer: string,
    held: readonly Reservation[],
    tell: (error: unknown) => void,
  ): Promise<void> {
    for (const startedAt = performance.now(); ;) {
      try {
        if (await this.store.complete(consumer, held)) return;
        throw leaseLost();
      } catch (error) {
        const elapsedMs = performance.now() - startedAt;
        if (error instanceof LeaseLostError || elapsedMs > GIVE_UP_MS) throw error;
        if (elapsedMs > WAIT_MS) tell(error);
      }
      await delay(RETRY_MS, undefined, { ref: false });
    }
  }
}

export function leaseLost(): LeaseLostError {
  return new LeaseLostError('the lease ended before the effect did; another process may have run it too');
}

function nameOf(consumer: string, messageId: string): string {
  return `${consumer}\0${messageId}`;
}
