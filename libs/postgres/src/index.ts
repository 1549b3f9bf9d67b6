export { dataSourceOptions, postgresModule, type PostgresOptions } from './postgres.module.js';
export { DatabaseUnavailableInterceptor } from './unavailable.interceptor.js';
export { GroupCommit, GroupCommitFullError, type GroupCommitOptions } from './group-commit.js';
