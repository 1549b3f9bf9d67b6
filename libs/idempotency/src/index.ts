export type { EffectGuarantee, Inbox, MessageIdentity } from './inbox.js';
export type { IdempotencyObserver } from './observer.js';
export {
  InvalidIdempotentHandlerError,
  LeaseLostError,
  MessageConflictError,
  MessageInProgressError,
  TransactionTooLongError,
} from './errors.js';
export { IdempotencyModule, type IdempotencyAsyncOptions } from './idempotency.module.js';
export {
  PostgresInbox,
  PostgresInbox as IdempotencyRepository,
  type PostgresInboxOptions,
} from './postgres/postgres-inbox.js';
export { CreateInbox1763700000000, inboxMigrations } from './postgres/migrations.js';
