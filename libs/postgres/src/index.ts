export { migrate, PendingMigrationsError } from './migrate.js';
export { dataSourceOptions, postgresModule, type PostgresOptions } from './postgres.module.js';
export { askDurability, type Durability } from './durability.js';
export { isDatabaseAway, isDatabaseUnavailable } from './database-error.js';
export {
  GroupCommit,
  GroupCommitFullError,
  GroupItemError,
  type GroupCommitOptions,
} from './group-commit.js';
