export { dataSourceOptions, postgresModule, type PostgresOptions } from './postgres.module.js';
export { migrate } from './migrate.js';
export { DatabaseUnavailableInterceptor } from './unavailable.interceptor.js';
