export type { EffectGuarantee, Inbox, MessageIdentity } from './inbox.js';
export type { IdempotencyObserver } from './observer.js';
export {
  InvalidIdempotentHandlerError,
  LeaseLostError,
  MessageConflictError,
  MessageInProgressError,
  MessageTooOldError,
  TransactionTooLongError,
} from './errors.js';
export { IdempotencyModule, type IdempotencyAsyncOptions } from './idempotency.module.js';
export { PostgresInbox, type PostgresInboxOptions } from './postgres/postgres-inbox.js';
export { RedisInbox, type RedisInboxOptions } from './leased/redis-inbox.js';
export { NatsKvInbox, type NatsKvInboxOptions } from './leased/nats-kv-inbox.js';
export { MemoryInbox, type MemoryInboxOptions } from './leased/memory-inbox.js';
export type { Lease, LeasedInboxOptions } from './leased/leased-inbox.js';
export { CreateInbox1763700000000, inboxMigrations } from './postgres/migrations.js';
export { Idempotent, Tx, type Effects } from './declarative/idempotent.decorator.js';
export { INBOX } from './inbox.token.js';
