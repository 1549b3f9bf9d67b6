import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Index of the audit log: one row for each segment in the object store. */
export class CreateAuditSegments1763900000002 implements MigrationInterface {
  readonly name = 'CreateAuditSegments1763900000002';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE audit_segments (
        id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        stream       text        NOT NULL,
        number       integer     NOT NULL CHECK (number > 0),
        object       text        NOT NULL UNIQUE,
        first_record bigint      NOT NULL CHECK (first_record > 0),
        records      integer     NOT NULL CHECK (records > 0),
        bytes        bigint      NOT NULL,
        chain        text        NOT NULL,
        created_at   timestamptz NOT NULL DEFAULT now(),
        UNIQUE (stream, number)
      )`);
    await runner.query(`
      CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$`);
    await runner.query(`
      CREATE TRIGGER audit_segments_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_segments
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE audit_segments');
  }
}
