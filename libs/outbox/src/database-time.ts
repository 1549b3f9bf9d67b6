import type { EntityManager } from 'typeorm';

/** In epoch milliseconds: rows are dated by the clock of the database, and that of the process may be another time. */
export async function databaseTime(executor: Pick<EntityManager, 'query'>): Promise<number> {
  const [{ now }] = await executor.query(
    'SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS now',
  );
  return now;
}
