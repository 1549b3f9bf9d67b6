/**
 * While something is being found out, all who ask get the same answer: who asks again because it takes long must not have a whole
 * log read twice at a time.
 */
export class Sharing {
  private readonly running = new Map<string, Promise<unknown>>();

  /** @param key of what `work` finds out */
  run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const found = this.running.get(key) as Promise<T> | undefined;
    if (found) return found;
    const started = work().finally(() => this.running.delete(key));
    this.running.set(key, started);
    return started;
  }
}
