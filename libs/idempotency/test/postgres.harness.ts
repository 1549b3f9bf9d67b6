import { inboxMigrations } from '@slipstream/idempotency';
import { createTestDatabase } from '@slipstream/testing';
import { DataSource } from 'typeorm';

export interface InboxDatabase {
  readonly dataSource: DataSource;
  readonly drop: () => Promise<void>;
}

/** A database with an inbox, and a table `effects (id text)` without any key of its own. */
export async function createInboxDatabase(): Promise<InboxDatabase> {
  const database = await createTestDatabase();
  const dataSource = await new DataSource({
    type: 'postgres',
    url: database.url,
    parseInt8: true,
    migrations: [...inboxMigrations],
    migrationsRun: true,
    extra: { max: 20 },
  }).initialize();
  await dataSource.query('CREATE TABLE effects (id text)');
  const drop = async () => {
    await dataSource.destroy();
    await database.drop();
  };
  return { dataSource, drop };
}
