export { dataSourceOptions, postgresModule, type PostgresOptions } from './postgres.module.js';
export { DatabaseUnavailableInterceptor } from './unavailable.interceptor.js';
