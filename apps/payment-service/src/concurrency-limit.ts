const INITIAL = 8;
const LEAST = 4;
const MOST = 256;
/** A crowd of calls that fail together are one sign, not many. */
const SHRINK_INTERVAL_MS = 500;

/**
 * How many calls may be under way: grows with each success, doubling from round to round as far as it carried last time
 * and by one a round beyond it, and shrinks by half when the gateway is in trouble. A backlog meets a gateway that has
 * just come back with a trickle, not with a herd.
 */
export class ConcurrencyLimit {
  private limit = INITIAL;
  private safe = MOST;
  private running = 0;
  private shrunkAt = 0;
  private readonly waiting = new Set<() => void>();

  /** Most calls that may be under way at present. */
  get current(): number {
    return Math.floor(this.limit);
  }

  /**
   * Runs `call` when its turn has come.
   * @param timeoutMs longest wait for the turn
   * @param onTimeout error of a call whose turn did not come
   */
  async run<T>(call: () => Promise<T>, timeoutMs: number, onTimeout: () => Error): Promise<T> {
    if (this.running < this.current) this.running++;
    else await this.turn(timeoutMs, onTimeout);
    try {
      return await call();
    } finally {
      this.running--;
      this.startWaiting();
    }
  }

  grow(): void {
    this.limit = Math.min(MOST, this.limit + (this.limit < this.safe ? 1 : 1 / this.limit));
    this.startWaiting();
  }

  shrink(now = Date.now()): void {
    if (now - this.shrunkAt < SHRINK_INTERVAL_MS) return;
    this.shrunkAt = now;
    this.limit = Math.max(LEAST, this.limit / 2);
    this.safe = this.limit;
  }

  /** Begins anew after an outage, which says nothing about what the gateway can carry. */
  restart(): void {
    this.limit = INITIAL;
    this.safe = MOST;
  }

  /** The turn hands its place over: nobody can take it in between. */
  private turn(timeoutMs: number, onTimeout: () => Error): Promise<void> {
    return new Promise((resolve, reject) => {
      const start = () => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        this.waiting.delete(start);
        reject(onTimeout());
      }, timeoutMs);
      this.waiting.add(start);
    });
  }

  private startWaiting(): void {
    for (const start of this.waiting) {
      if (this.running >= this.current) return;
      this.waiting.delete(start);
      this.running++;
      start();
    }
  }
}
