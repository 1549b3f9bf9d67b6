const REST_STEP_MS = 100;

/** Sleep that can be ended early. */
export class Sleeper {
  private isWoken = false;
  private wakeUp: (() => void) | undefined;

  /** Ends the sleep at hand, or the next one before it begins. */
  wake(): void {
    this.isWoken = true;
    this.wakeUp?.();
  }

  async sleep(ms: number): Promise<void> {
    if (!this.isWoken) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, ms);
      this.wakeUp = resolve;
      await promise;
      clearTimeout(timer);
    }
    this.isWoken = false;
  }

  /** Sleeps whatever wakes it, until `isOver`. */
  async rest(ms: number, isOver: () => boolean): Promise<void> {
    for (let rested = 0; rested < ms && !isOver(); rested += REST_STEP_MS) {
      await new Promise((resolve) => setTimeout(resolve, REST_STEP_MS));
    }
  }
}
