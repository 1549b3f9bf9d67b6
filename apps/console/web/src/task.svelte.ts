import { Failure } from './client.js';

/** Something that is asked for once in a while: what came of it last, and whether it is still under way. */
export class Task<T> {
  result = $state.raw<T>();
  failure = $state.raw<Failure>();
  isBusy = $state(false);
  private latest = new AbortController();

  /** The last one that was started counts, in whatever order answers come; those before are told to stop. */
  async run(work: (signal: AbortSignal) => Promise<T>): Promise<void> {
    const { signal } = this.begin();
    this.isBusy = true;
    try {
      const result = await work(signal);
      if (signal.aborted) return;
      this.result = result;
      this.failure = undefined;
    } catch (error) {
      if (!signal.aborted) this.failure = asFailure(error);
    } finally {
      if (!signal.aborted) this.isBusy = false;
    }
  }

  /** As before the first; what is under way no longer counts. */
  reset(): void {
    this.begin();
    this.isBusy = false;
    this.result = undefined;
    this.failure = undefined;
  }

  private begin(): AbortController {
    this.latest.abort();
    this.latest = new AbortController();
    return this.latest;
  }
}

export function asFailure(error: unknown): Failure {
  return error instanceof Failure
    ? error
    : new Failure(
        'The page could not make sense of the answer. Reload it; the console may have been upgraded.',
        0,
      );
}
