import type { BacklogState } from './outbox.backlog.js';

/** Is told what becomes of events. Must be fast and must not throw. */
export interface OutboxObserver {
  /**
   * Events that a stream confirmed.
   * @param delaysMs milliseconds from the append of each to its confirmation
   */
  published(count: number, delaysMs: readonly number[]): void;
  /** Events that were refused and are tried again. */
  failed(count: number): void;
  /** Events that were confirmed and are not in their stream any more. */
  missing(count: number): void;
  /** Learns once where to ask how far behind the relay is; the answer comes from memory. */
  watch(source: () => BacklogState): void;
}

export const silentObserver: OutboxObserver = {
  published: () => undefined,
  failed: () => undefined,
  missing: () => undefined,
  watch: () => undefined,
};
