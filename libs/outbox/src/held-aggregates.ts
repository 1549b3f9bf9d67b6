/** How long an aggregate waits after one of its events was refused, doubling up to the longest, in milliseconds. */
const FIRST_HOLD_MS = 1_000;
/** No longer, because after an outage of the broker everything waits. */
const LONGEST_HOLD_MS = 5_000;

interface Hold {
  readonly until: number;
  readonly ms: number;
}

/** Aggregates whose oldest event was refused: what comes after it must not overtake it, everything else goes on. */
export class HeldAggregates {
  private readonly holds = new Map<string, Hold>();

  constructor(private readonly now: () => number = () => performance.now()) {}

  hold(aggregateId: string): void {
    const before = this.holds.get(aggregateId);
    const now = this.now();
    // Several events of one batch are one refusal.
    if (before && before.until > now) return;
    const ms = before ? Math.min(before.ms * 2, LONGEST_HOLD_MS) : FIRST_HOLD_MS;
    this.holds.set(aggregateId, { until: now + ms, ms });
  }

  release(aggregateId: string): void {
    this.holds.delete(aggregateId);
  }

  /** Another process may have published meanwhile what was held. */
  clear(): void {
    this.holds.clear();
  }

  isHeld(aggregateId: string): boolean {
    const hold = this.holds.get(aggregateId);
    return hold !== undefined && hold.until > this.now();
  }

  /** Those that still have to wait. */
  current(): string[] {
    return [...this.holds.keys()].filter((aggregateId) => this.isHeld(aggregateId));
  }
}
