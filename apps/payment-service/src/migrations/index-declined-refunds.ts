import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Counting them must not read every payment there ever was. */
export class IndexDeclinedRefunds1763900000001 implements MigrationInterface {
  readonly name = 'IndexDeclinedRefunds1763900000001';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE INDEX payments_refund_declined ON payments (order_id) WHERE state = 'refund_declined'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX payments_refund_declined');
  }
}
