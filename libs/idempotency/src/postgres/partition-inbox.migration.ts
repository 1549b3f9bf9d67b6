import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Puts the inbox into partitions by time. The table there is becomes the first partition, as it is, and stays the only
 * one written to for eight more days: processes of the version before find their duplicates during a rolling deployment.
 */
export class PartitionInbox1763900000000 implements MigrationInterface {
  readonly name = 'PartitionInbox1763900000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE inbox ADD COLUMN fingerprint bytea');
    await runner.query('ALTER TABLE inbox RENAME TO inbox_initial');
    await runner.query('ALTER INDEX inbox_pkey RENAME TO inbox_initial_pkey');
    await runner.query(`
      CREATE TABLE inbox (
        consumer     text        NOT NULL,
        message_id   text        NOT NULL,
        processed_at timestamptz NOT NULL DEFAULT now(),
        fingerprint  bytea
      ) PARTITION BY RANGE (processed_at)`);
    await runner.query(`
      DO $$
      DECLARE latest timestamptz;
      BEGIN
        SELECT greatest(max(processed_at), now()) INTO latest FROM inbox_initial;
        EXECUTE format('ALTER TABLE inbox ATTACH PARTITION inbox_initial FOR VALUES FROM (MINVALUE) TO (%L)',
                       date_trunc('day', latest) + interval '9 days');
      END $$`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE inbox RENAME TO inbox_partitioned');
    await runner.query(`
      CREATE TABLE inbox (
        consumer     text        NOT NULL,
        message_id   text        NOT NULL,
        processed_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (consumer, message_id)
      )`);
    await runner.query(`
      INSERT INTO inbox SELECT consumer, message_id, min(processed_at) FROM inbox_partitioned GROUP BY 1, 2`);
    await runner.query('DROP TABLE inbox_partitioned');
  }
}
