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
  readonly gatewayKey: string;
  readonly amountMinor: number;
  readonly currency: string;
  readonly chargeId: string;
}

const PAYMENT = `order_id AS "orderId", state, gateway_key AS "gatewayKey", amount_minor AS "amountMinor", currency,
  charge_id AS "chargeId"`;

/** Transitions name the states they start from, so a late or repeated message cannot move a payment backwards. */
@Injectable()
export class PaymentsRepository {
  constructor(private readonly dataSource: DataSource) {}

  /**
   * Commits that the gateway is about to be called for an order.
   * @returns no payment when its charge is settled already; `isRetry` when an earlier call may have been made
   */
  async send(order: OrderCreated): Promise<{ payment: Payment | undefined; isRetry: boolean }> {
    const [payment] = await this.dataSource.query(
      `INSERT INTO payments AS p (order_id, state, gateway_key, amount_minor, currency)
       VALUES ($1, 'sent', $2, $3, $4)
       ON CONFLICT (order_id) DO UPDATE SET state = 'sent', updated_at = now() WHERE p.state IN ('sent', 'unknown')
       RETURNING ${PAYMENT}, xmax <> 0 AS "isRetry"`,
      [order.orderId, `charge-${order.orderId}`, order.totalMinor, order.currency],
    );
    return { payment, isRetry: payment?.isRetry ?? false };
  }

  async markUnknown(orderId: string): Promise<void> {
    await this.dataSource.query(
      `UPDATE payments SET state = 'unknown', updated_at = now() WHERE order_id = $1 AND state = 'sent'`,
      [orderId],
    );
  }

  /** @returns false when another delivery finished the charge first */
  async finish(tx: EntityManager, orderId: string, result: ChargeResult): Promise<boolean> {
    const succeeded = result.status === 'succeeded';
    return this.moved(
      tx,
      `UPDATE payments SET state = $2, charge_id = $3, reason = $4, updated_at = now()
       WHERE order_id = $1 AND state IN ('sent', 'unknown')`,
      [orderId, result.status, succeeded ? result.chargeId : null, succeeded ? null : result.reason],
    );
  }

  /** Starts the refund of a charge, or rules a charge out that was never made. */
  async beginRefund(orderId: string): Promise<Payment> {
    const [payment] = await this.dataSource.query(
      `INSERT INTO payments AS p (order_id, state, gateway_key) VALUES ($1, 'void', $2)
       ON CONFLICT (order_id) DO UPDATE
         SET state = CASE WHEN p.state = 'succeeded' THEN 'refunding' ELSE p.state END, updated_at = now()
       RETURNING ${PAYMENT}`,
      [orderId, `charge-${orderId}`],
    );
    return payment;
  }

  /** @returns false when another delivery finished the refund first */
  finishRefund(tx: EntityManager, orderId: string): Promise<boolean> {
    return this.moved(
      tx,
      `UPDATE payments SET state = 'refunded', updated_at = now() WHERE order_id = $1 AND state = 'refunding'`,
      [orderId],
    );
  }

  private async moved(tx: EntityManager, statement: string, parameters: unknown[]): Promise<boolean> {
    const [, count]: [unknown, number] = await tx.query(statement, parameters);
    return count > 0;
  }
}
