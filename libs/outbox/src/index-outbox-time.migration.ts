import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Finds events by time, without reading a whole day. Partitions made later get the index with the other ones. */
export class IndexOutboxTime1763900000001 implements MigrationInterface {
  readonly name = 'IndexOutboxTime1763900000001';

  async up(runner: QueryRunner): Promise<void> {
    // A service with days of events would never start: a connection's limit is made for its requests.
    await runner.query('SET LOCAL statement_timeout = 0');
    await runner.query('CREATE INDEX outbox_created_at ON outbox (created_at, id)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX outbox_created_at');
  }
}
