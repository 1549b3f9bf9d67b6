import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreatePayments1763700000002 implements MigrationInterface {
  readonly name = 'CreatePayments1763700000002';

  async up(runner: QueryRunner): Promise<void> {
    // One row and one gateway key for each order: whatever arrives twice, there is one charge to make.
    await runner.query(`
      CREATE TABLE payments (
        order_id         text        PRIMARY KEY,
        state            text        NOT NULL CHECK (state IN
          ('sent', 'unknown', 'succeeded', 'declined', 'refunding', 'refunded', 'void')),
        cancel_requested boolean     NOT NULL DEFAULT false,
        gateway_key      text        NOT NULL UNIQUE,
        amount_minor     bigint,
        currency         text,
        charge_id        text,
        reason           text,
        created_at       timestamptz NOT NULL DEFAULT now(),
        updated_at       timestamptz NOT NULL DEFAULT now()
      )`);
    await runner.query(`
      CREATE INDEX payments_unsettled ON payments (updated_at) WHERE state IN ('sent', 'unknown', 'refunding')`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE payments');
  }
}
