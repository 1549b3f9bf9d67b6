import { Failure } from './client.js';

/** Something that is asked for once in a while: what came of it last, and whether it is still under way. */
export class Task<T> {
  result = $state.raw<T>();
  failure = $state.raw<Failure>();
  isBusy = $state(false);
  private latest = 0;

  /** The last one that was started counts, in whatever order answers come. */
  async run(work: () => Promise<T>): Promise<void> {
    const own = (this.latest += 1);
    this.isBusy = true;
    try {
      const result = await work();
      if (own !== this.latest) return;
      this.result = result;
      this.failure = undefined;
    } catch (error) {
      if (own === this.latest) this.failure = asFailure(error);
    } finally {
      if (own === this.latest) this.isBusy = false;
    }
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
