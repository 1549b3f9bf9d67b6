/** What can be told to stop. */
interface Abortable {
  abort(reason: Error): void;
}

interface Call {
  readonly context: Abortable;
  readonly deadline: number;
  readonly expire: (error: Error) => void;
}

/**
 * Watches the calls of one consumer. All have the same time, so the oldest ends first and one timer serves them all:
 * a timer for each call would cost more than an empty handler.
 */
export class Watchdog {
  private readonly running = new Set<Call>();
  private timer: NodeJS.Timeout | undefined;
  private stopped: Error | undefined;

  constructor(
    private readonly timeoutMs: number,
    private readonly timeoutError: () => Error,
  ) {}

  /**
   * @param expire called with the time-out error, after the context was aborted, unless the call is released before
   * @returns releases the call; false when its time was up before
   */
  watch(context: Abortable, expire: (error: Error) => void): () => boolean {
    const call = { context, expire, deadline: performance.now() + this.timeoutMs };
    this.running.add(call);
    if (this.stopped) context.abort(this.stopped);
    this.timer ??= this.arm(this.timeoutMs);
    return () => this.running.delete(call);
  }

  /** Aborts what runs, and what is called from now on. */
  abortAll(reason: Error): void {
    this.stopped = reason;
    for (const { context } of this.running) context.abort(reason);
  }

  private arm(delayMs: number): NodeJS.Timeout {
    return setTimeout(() => this.expire(), delayMs).unref();
  }

  private expire(): void {
    this.timer = undefined;
    const now = performance.now();
    for (const call of this.running) {
      if (call.deadline > now) {
        this.timer = this.arm(call.deadline - now);
        return;
      }
      this.running.delete(call);
      const error = this.timeoutError();
      call.context.abort(error);
      call.expire(error);
    }
  }
}
