import type { MigrationInterface } from 'typeorm';
import { CreateInbox1763700000000 } from './create-inbox.migration.js';
import { PartitionInbox1763900000000 } from './partition-inbox.migration.js';

export { CreateInbox1763700000000 };

/** Everything the inbox of a service needs in its schema. */
export const inboxMigrations: readonly (new () => MigrationInterface)[] = [
  CreateInbox1763700000000,
  PartitionInbox1763900000000,
];
