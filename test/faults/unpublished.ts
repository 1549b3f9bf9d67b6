import { waitFor } from '@slipstream/testing';
import pg from 'pg';

/** Of an event that nothing keeps; a process that was killed is back long before. */
const WITHIN_MS = 20_000;
const SCHEMAS = ['orders', 'payments', 'inventory'];

/** Events that wait although nothing keeps them, in words: a relay takes what is committed within moments. */
export async function findUnpublished(databaseUrl: string): Promise<string[]> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const tables = SCHEMAS.map((schema) => `SELECT '${schema}' AS schema FROM ${schema}.outbox_pending`);
  const find = async () => (await client.query<{ schema: string }>(tables.join(' UNION ALL '))).rows;
  try {
    const isEmpty = async () => (await find()).length === 0;
    await waitFor('the outboxes to be empty', isEmpty, WITHIN_MS).catch(() => undefined);
    return (await find()).map(({ schema }) => `an event of ${schema} is never published`);
  } finally {
    await client.end();
  }
}
