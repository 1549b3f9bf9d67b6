import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateStock1763700000002 implements MigrationInterface {
  readonly name = 'CreateStock1763700000002';

  async up(runner: QueryRunner): Promise<void> {
    // The last constraint is the promise that nothing is oversold, whatever the code above it does.
    await runner.query(`
      CREATE TABLE stock (
        sku      text   PRIMARY KEY,
        on_hand  bigint NOT NULL CHECK (on_hand >= 0),
        reserved bigint NOT NULL DEFAULT 0 CHECK (reserved >= 0),
        CHECK (reserved <= on_hand)
      )`);
    await runner.query(`
      CREATE TABLE reservations (
        order_id   text        PRIMARY KEY,
        state      text        NOT NULL CHECK (state IN ('reserved', 'rejected', 'released')),
        lines      jsonb       NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE reservations, stock');
  }
}
