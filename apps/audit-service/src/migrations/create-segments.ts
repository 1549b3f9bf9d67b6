import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateSegments1763700000002 implements MigrationInterface {
  readonly name = 'CreateSegments1763700000002';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE segments (
        id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        stream     text        NOT NULL,
        object     text        NOT NULL UNIQUE,
        records    integer     NOT NULL CHECK (records > 0),
        bytes      bigint      NOT NULL,
        sha256     text        NOT NULL,
        chain      text        NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
      )`);
    await runner.query('CREATE INDEX segments_of_stream ON segments (stream, id)');
    await runner.query(`
      CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$`);
    await runner.query(`
      CREATE TRIGGER segments_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON segments
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE segments');
    await runner.query('DROP FUNCTION refuse_change()');
  }
}
