import { inboxMigrations } from '@slipstream/idempotency';
import type { PostgresOptions } from '@slipstream/postgres';

/** Migrations of a service: those of the inbox, which every service has, and its own. */
export function serviceMigrations(own: PostgresOptions['migrations']): PostgresOptions['migrations'] {
  return [...new Set([...inboxMigrations, ...own])];
}
