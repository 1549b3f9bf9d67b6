import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Makes the status a function of what is known about an order. Facts are written once and never change, so whatever
 * order they arrive in they lead to one status, and no writer can set another.
 */
export class DeriveOrderStatus1763700000010 implements MigrationInterface {
  readonly name = 'DeriveOrderStatus1763700000010';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE orders
        DROP COLUMN status,
        ADD COLUMN is_expired boolean NOT NULL DEFAULT false,
        ADD COLUMN noted_at timestamptz NOT NULL DEFAULT now()`);
    await runner.query(`
      ALTER TABLE orders
        ADD COLUMN status text NOT NULL GENERATED ALWAYS AS (
          CASE
            WHEN payment = 'failed' OR inventory = 'rejected' OR is_expired THEN 'cancelled'
            WHEN payment = 'completed' AND inventory = 'reserved' AND customer_id IS NOT NULL THEN 'confirmed'
            ELSE 'pending'
          END) STORED`);
    // Room for what an order still learns: a new version on the same page needs no new index entries.
    await runner.query('ALTER TABLE orders SET (fillfactor = 60)');
    await runner.query('CREATE INDEX orders_by_status ON orders (status, order_id)');
    await runner.query(`CREATE INDEX orders_pending ON orders (noted_at) WHERE status = 'pending'`);
    await runner.query('CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX idempotency_keys_by_age');
    await runner.query('ALTER TABLE orders ALTER COLUMN status DROP EXPRESSION');
    await runner.query(`
      ALTER TABLE orders
        RESET (fillfactor),
        ALTER COLUMN status SET DEFAULT 'pending', DROP COLUMN is_expired, DROP COLUMN noted_at`);
  }
}
