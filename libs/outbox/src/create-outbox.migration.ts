import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Events that were committed with a state change and wait to be published, or were. */
export class CreateOutbox1763700000001 implements MigrationInterface {
  readonly name = 'CreateOutbox1763700000001';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE outbox (
        id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        aggregate_id text        NOT NULL,
        message_id   text        NOT NULL,
        subject      text        NOT NULL,
        headers      jsonb       NOT NULL,
        body         bytea       NOT NULL,
        created_at   timestamptz NOT NULL DEFAULT now(),
        published_at timestamptz
      )`);
    await runner.query('CREATE INDEX outbox_unpublished ON outbox (id) WHERE published_at IS NULL');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE outbox');
  }
}
