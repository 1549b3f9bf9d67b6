import type { MigrationInterface, QueryRunner } from 'typeorm';

/** States instead of a flag for cancelled orders, refunds that say how far they are, and when the key was first used. */
export class ReshapePayments1763700000003 implements MigrationInterface {
  readonly name = 'ReshapePayments1763700000003';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX payments_unsettled');
    await runner.query(`
      ALTER TABLE payments
        DROP CONSTRAINT payments_state_check,
        -- The primary key says the same, at half the price for each charge.
        DROP CONSTRAINT payments_gateway_key_key,
        ADD COLUMN sent_at timestamptz`);
    await runner.query(`
      UPDATE payments SET
        sent_at = CASE WHEN state <> 'void' THEN created_at END,
        state = CASE
          WHEN state = 'refunding' THEN 'refund_sent'
          WHEN state IN ('sent', 'unknown') AND cancel_requested THEN 'cancelling'
          ELSE state END`);
    await runner.query(`
      ALTER TABLE payments
        DROP COLUMN cancel_requested,
        ADD CONSTRAINT payments_state_check CHECK (state IN ('intent', 'sent', 'unknown', 'cancelling', 'void',
          'declined', 'succeeded', 'refund_intent', 'refund_sent', 'refund_unknown', 'refund_declined', 'refunded'))`);
    await runner.query(`
      CREATE INDEX payments_unsettled ON payments (updated_at)
      WHERE state IN ('intent', 'sent', 'unknown', 'cancelling', 'refund_intent', 'refund_sent', 'refund_unknown')`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX payments_unsettled');
    await runner.query(
      'ALTER TABLE payments DROP CONSTRAINT payments_state_check, ADD COLUMN cancel_requested boolean NOT NULL DEFAULT false',
    );
    await runner.query(`
      UPDATE payments SET
        cancel_requested = state IN ('cancelling', 'void') OR state LIKE 'refund%',
        state = CASE
          WHEN state IN ('intent', 'cancelling') THEN 'unknown'
          WHEN state IN ('refund_intent', 'refund_sent', 'refund_unknown', 'refund_declined') THEN 'refunding'
          ELSE state END`);
    await runner.query(`
      ALTER TABLE payments DROP COLUMN sent_at,
        ADD CONSTRAINT payments_gateway_key_key UNIQUE (gateway_key),
        ADD CONSTRAINT payments_state_check CHECK (state IN
          ('sent', 'unknown', 'succeeded', 'declined', 'refunding', 'refunded', 'void'))`);
    await runner.query(`
      CREATE INDEX payments_unsettled ON payments (updated_at) WHERE state IN ('sent', 'unknown', 'refunding')`);
  }
}
