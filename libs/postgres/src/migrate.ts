import { DataSource, type DataSourceOptions } from 'typeorm';

/**
 * Creates the schema and runs pending migrations, on connections of their own without time-outs. Processes that start
 * together wait for the first.
 */
export async function migrate(options: DataSourceOptions, schema: string): Promise<void> {
  const dataSource = await new DataSource({
    ...options,
    extra: { max: 2, options: `-c search_path=${schema}` },
  }).initialize();
  try {
    const runner = dataSource.createQueryRunner();
    // Held until the connection ends, however it ends.
    await runner.query('SELECT pg_advisory_lock(hashtextextended($1, 0))', [`migrate:${schema}`]);
    await runner.query(`CREATE SCHEMA IF NOT EXISTS "${schema}"`);
    await dataSource.runMigrations({ transaction: 'each' });
    await runner.release();
  } finally {
    await dataSource.destroy();
  }
}
