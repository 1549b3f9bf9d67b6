import type { MessageIdentity } from './inbox.js';

/** Port for metrics and logs. Called synchronously: must not throw or block. */
export interface IdempotencyObserver {
  /** Messages whose effect was run, and messages that were known and left alone. */
  claimed(consumer: string, counts: { readonly fresh: number; readonly duplicates: number }): void;
  /** An id came again with another body. Somebody must look at its producer. */
  conflicted(message: MessageIdentity): void;
  /** The lease of a holder that never finished was taken over; its effect may run twice. */
  tookOver(message: MessageIdentity): void;
}

export const SILENT: IdempotencyObserver = {
  claimed: () => undefined,
  conflicted: () => undefined,
  tookOver: () => undefined,
};
