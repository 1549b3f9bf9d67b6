export { OutboxModule, type OutboxAsyncOptions, type OutboxOptions } from './outbox.module.js';
export { FIRST_PARAMETER, Outbox, type OutboxMessage, type WriteBeside } from './outbox.js';
export { OutboxRelay, type OutboxRelayOptions } from './outbox.relay.js';
export { OutboxBacklog, OutboxFullError, type BacklogState } from './outbox.backlog.js';
export type { EventPosition } from './published-rows.js';
export type { OutboxPublisher } from './outbox-publishing.js';
export { OutboxRows, type Exclusion, type IdRange, type OutboxRow, type SetAside } from './outbox-rows.js';
export {
  OutboxReconciler,
  type ReconciliationReport,
  type ReconciliationRequest,
} from './outbox.reconciler.js';
export {
  listSetAside,
  republish,
  requeue,
  type RepublishReport,
  type RepublishRequest,
  type SetAsideEvent,
} from './outbox.repair.js';
export type { OutboxObserver } from './outbox.observer.js';
export { OutboxPartitions } from './outbox.partitions.js';
export { RelaySession } from './relay-session.js';
export { CreateOutbox1763700000001 } from './create-outbox.migration.js';
export { PartitionOutbox1763800000001 } from './partition-outbox.migration.js';
export { IndexOutboxTime1763900000001 } from './index-outbox-time.migration.js';
export { outboxMigrations } from './outbox.migrations.js';
