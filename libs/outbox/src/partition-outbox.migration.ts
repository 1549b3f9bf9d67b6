import type { MigrationInterface, QueryRunner } from 'typeorm';
import { CreateOutbox1763700000001 } from './create-outbox.migration.js';
import { createPartitions } from './outbox.partitions.js';

/**
 * Splits the outbox into what is only ever appended, in partitions by day, and the small tables that say what became
 * of it. Rows of the table before are kept. Processes of the version before fail to append, because a column has
 * another name: what they would append would be known to no relay.
 */
export class PartitionOutbox1763800000001 implements MigrationInterface {
  readonly name = 'PartitionOutbox1763800000001';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE outbox RENAME TO outbox_before');
    await runner.query('ALTER INDEX outbox_pkey RENAME TO outbox_before_pkey');
    await runner.query('CREATE SEQUENCE outbox_ids CACHE 1');
    await createTables(runner);
    await createPartitions(runner);
    await runner.query(`
      WITH kept AS (
        INSERT INTO outbox (id, aggregate_id, message_id, subject, headers, data, created_at)
        SELECT id, aggregate_id, message_id, subject, headers::text, body, created_at FROM outbox_before ORDER BY id
        RETURNING id, created_at, aggregate_id, data)
      INSERT INTO outbox_pending (id, created_at, aggregate_id, bytes)
      SELECT kept.id, kept.created_at, kept.aggregate_id, octet_length(kept.data)
      FROM kept JOIN outbox_before USING (id) WHERE published_at IS NULL`);
    await runner.query(`SELECT setval('outbox_ids', (SELECT coalesce(max(id), 0) + 1 FROM outbox), false)`);
    await runner.query('DROP TABLE outbox_before');
  }

  /** Rows that were set aside become unpublished ones again. */
  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE outbox RENAME TO outbox_after');
    await runner.query('ALTER INDEX outbox_pkey RENAME TO outbox_after_pkey');
    await new CreateOutbox1763700000001().up(runner);
    await runner.query(`
      INSERT INTO outbox (id, aggregate_id, message_id, subject, headers, body, created_at, published_at)
      OVERRIDING SYSTEM VALUE
      SELECT id, aggregate_id, message_id, subject, headers::jsonb, data, created_at,
        CASE WHEN id IN (SELECT id FROM outbox_pending UNION SELECT id FROM outbox_set_aside) THEN NULL ELSE created_at END
      FROM outbox_after`);
    await runner.query(
      `SELECT setval(pg_get_serial_sequence('outbox', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM outbox), false)`,
    );
    await runner.query('DROP TABLE outbox_set_aside, outbox_pending, outbox_after');
  }
}

async function createTables(runner: QueryRunner): Promise<void> {
  // Headers are JSON that only the relay reads: jsonb would be taken apart and put together for nothing.
  // A sequence of its own, because PostgreSQL before 17 has no identity columns in partitioned tables.
  await runner.query(`
    CREATE TABLE outbox (
      id           bigint      NOT NULL DEFAULT nextval('outbox_ids'),
      aggregate_id text        NOT NULL,
      message_id   text        NOT NULL,
      subject      text        NOT NULL,
      headers      text        NOT NULL,
      data         bytea       NOT NULL,
      created_at   timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (id, created_at)
    ) PARTITION BY RANGE (created_at)`);
  await runner.query('ALTER SEQUENCE outbox_ids OWNED BY outbox.id');
  // For rows that no partition was made for, so that appending never fails for want of one.
  await runner.query('CREATE TABLE outbox_default PARTITION OF outbox DEFAULT');
  await runner.query(`
    CREATE TABLE outbox_pending (
      id           bigint      PRIMARY KEY,
      created_at   timestamptz NOT NULL,
      aggregate_id text        NOT NULL,
      bytes        integer     NOT NULL
    ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000,
            autovacuum_vacuum_insert_scale_factor = 0, autovacuum_analyze_scale_factor = 0,
            autovacuum_analyze_threshold = 10000)`);
  await runner.query(`
    CREATE TABLE outbox_set_aside (
      id           bigint      PRIMARY KEY,
      created_at   timestamptz NOT NULL,
      aggregate_id text        NOT NULL,
      bytes        integer     NOT NULL,
      code         text        NOT NULL,
      reason       text        NOT NULL,
      set_aside_at timestamptz NOT NULL DEFAULT now()
    )`);
}
