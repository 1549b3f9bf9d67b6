import { Injectable } from '@nestjs/common';
import type { OrderCreated } from '@slipstream/contracts';
import { DataSource, type EntityManager } from 'typeorm';
import type { ChargeResult } from './payment-gateway.js';

export type PaymentState =
  | 'sent'
  | 'unknown'
  | 'succeeded'
  | 'declined'
  | 'refunding'
  | 'refunded'
  /** Cancelled before it was charged. */
  | 'void';

export interface Payment {
  readonly orderId: string;
  readonly state: PaymentState;
  /** The order was cancelled: no new charge may be made, and one that was made is refunded. */
  readonly cancelRequested: boolean;
  readonly gatewayKey: string;
  readonly amountMinor: number;
  readonly currency: string;
  readonly chargeId: string;
}

/** A payment in state `sent` or `refunding`. */
export interface UnsettledPayment extends Payment {
  /** An earlier call may have been made. */
  readonly isRetry: boolean;
}

const PAYMENT = `order_id AS "orderId", state, cancel_requested AS "cancelRequested", gateway_key AS "gatewayKey",
  amount_minor AS "amountMinor", currency, charge_id AS "chargeId"`;
const NEXT_ATTEMPT = `state = CASE WHEN p.state = 'unknown' THEN 'sent' ELSE p.state END, updated_at = now()`;

/** Transitions name the states they start from, so a late or repeated message cannot move a payment backwards. */
@Injectable()
export class PaymentsRepository {
  constructor(private readonly dataSource: DataSource) {}

  /**
   * Commits that the gateway is about to be called for an order.
   * @returns no payment when it is settled already
   */
  async send(order: OrderCreated): Promise<UnsettledPayment | undefined> {
    const [payment]: UnsettledPayment[] = await this.dataSource.query(
      `INSERT INTO payments AS p (order_id, state, gateway_key, amount_minor, currency)
       VALUES ($1, 'sent', $2, $3, $4)
       ON CONFLICT (order_id) DO UPDATE SET ${NEXT_ATTEMPT} WHERE p.state IN ('sent', 'unknown', 'refunding')
       RETURNING ${PAYMENT}, xmax <> 0 AS "isRetry"`,
      [order.orderId, keyOf(order.orderId), order.totalMinor, order.currency],
    );
    return payment;
  }

  /** Takes payments on which nobody has worked for a while; for as long again no other instance takes them. */
  async claimStalled(limit: number, idleSeconds: number): Promise<UnsettledPayment[]> {
    const [payments]: [UnsettledPayment[], number] = await this.dataSource.query(
      `UPDATE payments AS p SET ${NEXT_ATTEMPT}
       WHERE order_id IN (
         SELECT order_id FROM payments
         WHERE state IN ('sent', 'unknown', 'refunding') AND updated_at < now() - make_interval(secs => $2)
         ORDER BY updated_at LIMIT $1 FOR UPDATE SKIP LOCKED)
       RETURNING ${PAYMENT}, true AS "isRetry"`,
      [limit, idleSeconds],
    );
    return payments;
  }

  async markUnknown(orderId: string): Promise<void> {
    // A parallel attempt may have ruled the charge out while ours was still on its way to the gateway.
    await this.dataSource.query(
      `UPDATE payments SET state = 'unknown', updated_at = now() WHERE order_id = $1 AND state IN ('sent', 'void')`,
      [orderId],
    );
  }

  /** Settles the payment of a cancelled order that the gateway has never charged. */
  async markVoid(orderId: string): Promise<void> {
    await this.dataSource.query(
      `UPDATE payments SET state = 'void', updated_at = now()
       WHERE order_id = $1 AND state IN ('sent', 'unknown') AND cancel_requested`,
      [orderId],
    );
  }

  /**
   * Records the result of a charge; a charge of an order that was cancelled meanwhile goes on to its refund.
   * @returns no payment when another delivery finished the charge first
   */
  async finish(tx: EntityManager, orderId: string, result: ChargeResult): Promise<Payment | undefined> {
    const succeeded = result.status === 'succeeded';
    // From `void` too: a charge that a parallel attempt did not see yet must not keep the customer's money.
    const [[payment]]: [Payment[], number] = await tx.query(
      `UPDATE payments
       SET state = CASE WHEN $2::text = 'succeeded' AND cancel_requested THEN 'refunding' ELSE $2::text END,
         charge_id = $3, reason = $4, updated_at = now()
       WHERE order_id = $1 AND (state IN ('sent', 'unknown') OR (state = 'void' AND $2::text = 'succeeded'))
       RETURNING ${PAYMENT}`,
      [orderId, result.status, succeeded ? result.chargeId : null, succeeded ? null : result.reason],
    );
    return payment;
  }

  /**
   * Remembers that an order was cancelled: starts the refund of its charge, rules a charge out that was never begun, and
   * leaves one that is under way to whoever is at it.
   */
  async cancel(orderId: string): Promise<Payment> {
    const [payment] = await this.dataSource.query(
      `INSERT INTO payments AS p (order_id, state, cancel_requested, gateway_key) VALUES ($1, 'void', true, $2)
       ON CONFLICT (order_id) DO UPDATE
         SET state = CASE WHEN p.state = 'succeeded' THEN 'refunding' ELSE p.state END,
           cancel_requested = true, updated_at = now()
       RETURNING ${PAYMENT}`,
      [orderId, keyOf(orderId)],
    );
    return payment;
  }

  /** @returns false when another delivery finished the refund first */
  async finishRefund(tx: EntityManager, orderId: string): Promise<boolean> {
    const [, count]: [unknown, number] = await tx.query(
      `UPDATE payments SET state = 'refunded', updated_at = now() WHERE order_id = $1 AND state = 'refunding'`,
      [orderId],
    );
    return count > 0;
  }
}

function keyOf(orderId: string): string {
  return `charge-${orderId}`;
}
