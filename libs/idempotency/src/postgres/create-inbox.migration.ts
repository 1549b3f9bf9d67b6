import type { MigrationInterface, QueryRunner } from 'typeorm';

/** One row for each message a consumer has dealt with. */
export class CreateInbox1763700000000 implements MigrationInterface {
  readonly name = 'CreateInbox1763700000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE inbox (
        consumer     text        NOT NULL,
        message_id   text        NOT NULL,
        processed_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (consumer, message_id)
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE inbox');
  }
}
