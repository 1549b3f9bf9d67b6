import { Logger, type DynamicModule } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DataSource, type DataSourceOptions, type MigrationInterface } from 'typeorm';
import { DeadlineClient } from './deadline.client.js';
import { migrate, requireMigrated } from './migrate.js';

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database`. */
  readonly url: string;
  /** Schema the service owns; created when missing. Services that share a database do not see each other's tables. */
  readonly schema: string;
  readonly migrations: readonly (new () => MigrationInterface)[];
  /**
   * Most connections of one process.
   * @default 10
   */
  readonly poolSize?: number;
  /**
   * Milliseconds after which a query without an answer fails and its connection is given up. Above the server's own
   * statement time-out of 15 s: it is for a server that has vanished without a word. Below the time-out of whoever asks:
   * the failure of the query says that the database is away, and a time-out around it says nothing.
   * @default 17 s
   */
  readonly queryTimeoutMs?: number;
}

export interface PostgresModuleOptions extends PostgresOptions {
  /** `run` migrates at start; `check` refuses to start on a schema that lacks migrations. */
  readonly atStart: 'run' | 'check';
}

/** A TypeORM data source on the service's own schema, at its version before anything uses it. */
export function postgresModule({ atStart, ...options }: PostgresModuleOptions): DynamicModule {
  return TypeOrmModule.forRootAsync({
    useFactory: () => ({ ...dataSourceOptions(options), retryAttempts: 30, retryDelay: 1_000 }),
    dataSourceFactory: async (resolved) => {
      if (!resolved) throw new Error('no data source options');
      await (atStart === 'run' ? migrate : requireMigrated)(resolved, options.schema);
      return new DataSource(resolved).initialize();
    },
  });
}

/**
 * A statement is planned once for each connection, because planning it takes longer than finding a few rows; often that
 * is while its table is empty, and nothing plans it anew before autovacuum comes by: it would read the whole of a table
 * that has grown since. Services look rows up by their keys, or take the first ones in the order of an index: a bitmap
 * would find all of them, to sort them. A way that is off counts as costly where there is no other, and what is costly
 * would be compiled, each time it runs.
 */
const PLANNING = [
  'plan_cache_mode=force_generic_plan',
  'jit=off',
  ...['seqscan', 'bitmapscan', 'hashjoin', 'mergejoin'].map((way) => `enable_${way}=off`),
]
  .map((setting) => `-c ${setting}`)
  .join(' ');

export function dataSourceOptions({
  url,
  schema,
  migrations,
  poolSize = 10,
  queryTimeoutMs = 17_000,
}: PostgresOptions): DataSourceOptions {
  const logger = new Logger('PostgreSQL');
  return {
    type: 'postgres',
    url,
    schema,
    parseInt8: true,
    migrations: [...migrations],
    // An idle connection that breaks emits an error which would end the process if nobody listened.
    poolErrorHandler: (error: unknown) => logger.warn({ err: error }, 'an idle database connection was lost'),
    extra: {
      max: poolSize,
      connectionTimeoutMillis: 5_000,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      query_timeout: queryTimeoutMs,
      Client: DeadlineClient,
      application_name: `slipstream-${schema}`,
      options: `-c search_path=${schema} -c default_transaction_isolation=read\\ committed -c lock_timeout=5000 -c statement_timeout=15000 -c idle_in_transaction_session_timeout=30000 ${PLANNING}`,
    },
  };
}
