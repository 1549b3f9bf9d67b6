import type { Failure } from './client.js';
import { asFailure } from './task.svelte.js';

const INTERVAL_MS = 2_000;

/** Something that is asked for again and again while somebody looks. Keeps the last answer when there is no new one. */
export class Poll<T> {
  data = $state.raw<T>();
  failure = $state.raw<Failure>();
  /** When `data` came, in epoch milliseconds. */
  answeredAt = $state.raw(Date.now());
  private timer: ReturnType<typeof setTimeout> | undefined;
  private isRunning = false;
  private latest = 0;

  constructor(private readonly ask: () => Promise<T>) {}

  /** @returns what stops it */
  start = (): (() => void) => {
    this.isRunning = true;
    document.addEventListener('visibilitychange', this.onVisibility);
    void this.tick();
    return () => {
      this.isRunning = false;
      clearTimeout(this.timer);
      document.removeEventListener('visibilitychange', this.onVisibility);
    };
  };

  /** Asks now, for what an operator has just changed. */
  refresh(): void {
    clearTimeout(this.timer);
    void this.tick();
  }

  private readonly onVisibility = (): void => {
    clearTimeout(this.timer);
    if (!document.hidden) void this.tick();
  };

  /** The last one that was started counts, in whatever order answers come. */
  private async tick(): Promise<void> {
    const own = (this.latest += 1);
    try {
      const data = await this.ask();
      if (own !== this.latest) return;
      this.data = data;
      this.answeredAt = Date.now();
      this.failure = undefined;
    } catch (error) {
      if (own !== this.latest) return;
      this.failure = asFailure(error);
    }
    clearTimeout(this.timer);
    if (this.isRunning && !document.hidden) this.timer = setTimeout(() => void this.tick(), INTERVAL_MS);
  }
}
