/** Is told what the relay does. Must be fast and must not throw. */
export interface OutboxObserver {
  /** Events that a stream confirmed. */
  published(count: number): void;
  /** Events that were refused and are tried again. */
  failed(count: number): void;
  /** Events that can never be published and were set aside. */
  setAside(count: number): void;
}

export const silentObserver: OutboxObserver = {
  published: () => undefined,
  failed: () => undefined,
  setAside: () => undefined,
};
