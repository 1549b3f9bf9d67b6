import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateOrders1763700000002 implements MigrationInterface {
  readonly name = 'CreateOrders1763700000002';

  async up(runner: QueryRunner): Promise<void> {
    // An outcome may arrive before the order itself: customer and sum are empty until the order is registered.
    await runner.query(`
      CREATE TABLE orders (
        order_id    text        PRIMARY KEY,
        status      text        NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'confirmed', 'cancelled')),
        payment     text        NOT NULL DEFAULT 'pending' CHECK (payment IN ('pending', 'completed', 'failed')),
        inventory   text        NOT NULL DEFAULT 'pending' CHECK (inventory IN ('pending', 'reserved', 'rejected')),
        reason      text,
        customer_id text,
        currency    text,
        total_minor bigint,
        lines       jsonb,
        created_at  timestamptz NOT NULL DEFAULT now()
      )`);
    await runner.query('CREATE INDEX orders_by_status ON orders (status, order_id)');
    await runner.query(`
      CREATE TABLE order_history (
        id         bigint      GENERATED ALWAYS AS IDENTITY,
        order_id   text        NOT NULL,
        at         timestamptz NOT NULL DEFAULT clock_timestamp(),
        event      text        NOT NULL,
        message_id text        NOT NULL,
        PRIMARY KEY (order_id, id)
      )`);
    await runner.query(`
      CREATE TABLE idempotency_keys (
        key         text        PRIMARY KEY,
        fingerprint text        NOT NULL,
        order_id    text        NOT NULL,
        created_at  timestamptz NOT NULL DEFAULT now()
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE idempotency_keys, order_history, orders');
  }
}
