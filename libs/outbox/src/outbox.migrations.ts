import { CreateOutbox1763700000001 } from './create-outbox.migration.js';
import { IndexOutboxTime1763900000001 } from './index-outbox-time.migration.js';
import { PartitionOutbox1763800000001 } from './partition-outbox.migration.js';

/** All migrations of the outbox, for a service to list with its own. */
export const outboxMigrations = [
  CreateOutbox1763700000001,
  PartitionOutbox1763800000001,
  IndexOutboxTime1763900000001,
] as const;
