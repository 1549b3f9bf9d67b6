import { DataSource } from 'typeorm';
import { dataSourceOptions } from './postgres.module.js';

/** How a database keeps what it committed. */
export interface Durability {
  /** As `server_version_num`, such as 180004. */
  readonly versionNumber: number;
  readonly fsync: string;
  readonly synchronousCommit: string;
}

/**
 * Asks the database itself; nothing of a service needs to be in it.
 * @returns undefined when it cannot be reached, does not let us in or does not answer
 */
export async function askDurability(url: string): Promise<Durability | undefined> {
  const dataSource = await open(url);
  if (!dataSource) return undefined;
  try {
    const [facts] = await dataSource.query<Durability[]>(
      `SELECT current_setting('server_version_num')::int AS "versionNumber", current_setting('fsync') AS fsync,
         current_setting('synchronous_commit') AS "synchronousCommit"`,
    );
    return facts;
  } catch {
    return undefined;
  } finally {
    await dataSource.destroy().catch(() => undefined);
  }
}

async function open(url: string): Promise<DataSource | undefined> {
  const options = dataSourceOptions({ url, schema: 'public', migrations: [], poolSize: 1 });
  return new DataSource(options).initialize().catch(() => undefined);
}
