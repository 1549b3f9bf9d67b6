import { DataSource, type DataSourceOptions } from 'typeorm';

/** The database is not at the version that the process needs, and it was told not to bring it there. */
export class PendingMigrationsError extends Error {
  override readonly name = 'PendingMigrationsError';
  readonly code = 'PG_MIGRATIONS_PENDING';

  constructor(schema: string) {
    super(`schema "${schema}" lacks migrations; run "slipstream migrate", or set DATABASE_MIGRATIONS=run`);
  }
}

/**
 * Creates the schema and runs pending migrations, on connections of their own without time-outs. Processes that start
 * together wait for the first.
 * @returns the names of the migrations that were run
 */
export function migrate(options: DataSourceOptions, schema: string): Promise<string[]> {
  return withMigrations(options, schema, async (dataSource) => {
    const runner = dataSource.createQueryRunner();
    // Held until the connection ends, however it ends.
    await runner.query('SELECT pg_advisory_lock(hashtextextended($1, 0))', [`migrate:${schema}`]);
    await runner.query(`CREATE SCHEMA IF NOT EXISTS "${schema}"`);
    const done = await dataSource.runMigrations({ transaction: 'each' });
    await runner.release();
    return done.map(({ name }) => name);
  });
}

/**
 * Changes nothing.
 * @throws PendingMigrationsError when a migration was not run yet
 */
export function requireMigrated(options: DataSourceOptions, schema: string): Promise<void> {
  return withMigrations(options, schema, async (dataSource) => {
    const [{ exists }] = await dataSource.query(`SELECT to_regclass('migrations') IS NOT NULL AS "exists"`);
    // Where there is no table of migrations yet, asking for pending ones would create it.
    if (!exists || (await dataSource.showMigrations())) throw new PendingMigrationsError(schema);
  });
}

async function withMigrations<T>(
  options: DataSourceOptions,
  schema: string,
  work: (dataSource: DataSource) => Promise<T>,
): Promise<T> {
  const dataSource = await new DataSource({
    ...options,
    extra: { max: 2, options: `-c search_path=${schema}` },
  }).initialize();
  try {
    return await work(dataSource);
  } finally {
    await dataSource.destroy();
  }
}
