import type { PoolClient } from 'pg';
import type { DataSource } from 'typeorm';

/**
 * Does work that one process at a time shall do, or nothing when another one does it. The lock belongs to a session,
 * not to a transaction: a server ends transactions that wait for something else.
 */
export async function withSessionLock(
  dataSource: DataSource,
  name: string,
  work: () => Promise<void>,
): Promise<void> {
  const runner = dataSource.createQueryRunner();
  try {
    const client = (await runner.connect()) as PoolClient;
    const { rows } = await client.query(
      `SELECT pg_try_advisory_lock(hashtextextended($1 || ':' || current_schema(), 0)) AS locked`,
      [name],
    );
    if (!rows[0].locked) return;
    try {
      await work();
    } finally {
      // The lock ends with the connection, whatever became of it.
      await client.end().catch(() => undefined);
    }
  } finally {
    await runner.release();
  }
}
