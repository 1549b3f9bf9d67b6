/** Turns elapsed time into whole orders. Fractions are carried over, so any rate is met exactly on average. */
export class Pacer {
  private carried = 0;

  /** @param last time of the start, in milliseconds. */
  constructor(private last: number) {}

  /**
   * Orders that have become due since the last call.
   *
   * @param now time in milliseconds, of the clock of the start
   * @param rate orders per second
   */
  takeDue(now: number, rate: number): number {
    this.carried += (rate * (now - this.last)) / 1_000;
    this.last = now;
    const due = Math.floor(this.carried);
    this.carried -= due;
    return due;
  }
}
