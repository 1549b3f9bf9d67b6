import type { ConsumerPosition } from '@slipstream/jetstream';
import { SETTLING_DURABLES } from './settlement.controller.js';

/** What it needs to know of a consumer. */
export type SettlementPosition = Pick<
  ConsumerPosition,
  'consumer' | 'pending' | 'deliveredThrough' | 'settledThrough'
>;

/**
 * Knows for how long this service has heard in time of what settles orders. It has when everything that was stored at one
 * look is settled at the next: after an outage an outcome may still wait in its stream, for its turn or for another attempt.
 */
export class SettlementWatch {
  /** By consumer, what its stream had for it at the last look; undefined when some of it was not even delivered. */
  private stored: readonly (number | undefined)[] = [];
  private inTimeSince: number | undefined;

  constructor(private readonly positions: () => Promise<readonly SettlementPosition[]>) {}

  /**
   * @param now in milliseconds
   * @returns milliseconds, undefined when something may wait
   * @throws what asking for the positions threw; then nothing is known of the time before
   */
  async look(now: number): Promise<number | undefined> {
    const before = this.stored;
    const since = this.inTimeSince ?? now;
    this.stored = [];
    this.inTimeSince = undefined;
    const consumers = (await this.positions()).filter(({ consumer }) => SETTLING_DURABLES.has(consumer));
    this.stored = consumers.map((at) => (at.pending === 0 ? at.deliveredThrough : undefined));
    // Without any, the transport has not started, and nothing was heard.
    const isInTime =
      consumers.length > 0 &&
      consumers.every(({ settledThrough }, index) => settledThrough >= (before[index] ?? Infinity));
    if (isInTime) this.inTimeSince = since;
    return isInTime ? now - since : undefined;
  }
}
