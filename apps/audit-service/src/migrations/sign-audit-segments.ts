import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What is there already is covered by signed heads. */
export class SignAuditSegments1764000000001 implements MigrationInterface {
  readonly name = 'SignAuditSegments1764000000001';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE audit_segments ADD COLUMN signature text');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE audit_segments DROP COLUMN signature');
  }
}
