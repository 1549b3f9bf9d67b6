import { Injectable } from '@nestjs/common';
import type { EventBase, OrderCreated } from '@slipstream/contracts';
import { DataSource, type EntityManager } from 'typeorm';
import type { OrderDto, OrderEventDto, OrderStatus, OrderSummaryDto } from './orders.dto.js';

/** The parts of an order that other services decide. */
export interface OrderProgress {
  readonly payment?: 'completed' | 'failed';
  readonly inventory?: 'reserved' | 'rejected';
  readonly reason?: string;
}

export interface OrderState {
  readonly status: OrderStatus;
  readonly payment: 'pending' | 'completed' | 'failed';
  readonly inventory: 'pending' | 'reserved' | 'rejected';
  readonly reason: string | null;
  /** False while only the outcome of the order is known and not yet the order. */
  readonly isRegistered: boolean;
}

const STATE = 'status, payment, inventory, reason, customer_id IS NOT NULL AS "isRegistered"';
const SUMMARY = `order_id AS "orderId", status, customer_id AS "customerId", currency, total_minor AS "totalMinor",
  reason, created_at AS "createdAt"`;

@Injectable()
export class OrdersRepository {
  constructor(private readonly dataSource: DataSource) {}

  /**
   * Ties an idempotency key to an order. A concurrent request with the same key waits here until the first commits.
   * @returns what the key was tied to before, or undefined when it is new
   */
  async claimKey(
    tx: EntityManager,
    key: string,
    fingerprint: string,
    orderId: string,
  ): Promise<{ orderId: string; fingerprint: string } | undefined> {
    const claimed = await tx.query(
      `INSERT INTO idempotency_keys (key, fingerprint, order_id) VALUES ($1, $2, $3)
       ON CONFLICT DO NOTHING RETURNING key`,
      [key, fingerprint, orderId],
    );
    if (claimed.length > 0) return undefined;
    const [earlier] = await tx.query(
      'SELECT order_id AS "orderId", fingerprint FROM idempotency_keys WHERE key = $1',
      [key],
    );
    return earlier;
  }

  /** @returns the state of the order, or undefined when it was registered before */
  async register(tx: EntityManager, order: OrderCreated): Promise<OrderState | undefined> {
    const [state] = await tx.query(
      `INSERT INTO orders (order_id, customer_id, currency, total_minor, lines, created_at)
       VALUES ($1, $2, $3, $4, $5, $6)
       ON CONFLICT (order_id) DO UPDATE
         SET customer_id = EXCLUDED.customer_id, currency = EXCLUDED.currency, total_minor = EXCLUDED.total_minor,
             lines = EXCLUDED.lines, created_at = EXCLUDED.created_at
         WHERE orders.customer_id IS NULL
       RETURNING ${STATE}`,
      [
        order.orderId,
        order.customerId,
        order.currency,
        order.totalMinor,
        JSON.stringify(order.lines),
        new Date(order.createdAt),
      ],
    );
    return state;
  }

  /** Notes an outcome; the first one of its kind counts. Locks the order until the transaction ends. */
  async record(tx: EntityManager, orderId: string, progress: OrderProgress): Promise<OrderState> {
    const { payment = null, inventory = null, reason = null } = progress;
    const [state] = await tx.query(
      `INSERT INTO orders AS o (order_id, payment, inventory, reason)
       VALUES ($1, coalesce($2, 'pending'), coalesce($3, 'pending'), $4)
       ON CONFLICT (order_id) DO UPDATE
         SET payment   = CASE WHEN o.payment = 'pending' THEN EXCLUDED.payment ELSE o.payment END,
             inventory = CASE WHEN o.inventory = 'pending' THEN EXCLUDED.inventory ELSE o.inventory END,
             reason    = coalesce(o.reason, EXCLUDED.reason)
       RETURNING ${STATE}`,
      [orderId, payment, inventory, reason],
    );
    return state;
  }

  async close(tx: EntityManager, orderId: string, status: 'confirmed' | 'cancelled'): Promise<void> {
    await tx.query('UPDATE orders SET status = $2 WHERE order_id = $1', [orderId, status]);
  }

  async remember(tx: EntityManager, { orderId, messageId }: EventBase, event: string): Promise<void> {
    await tx.query('INSERT INTO order_history (order_id, event, message_id) VALUES ($1, $2, $3)', [
      orderId,
      event,
      messageId,
    ]);
  }

  async find(orderId: string): Promise<OrderDto | undefined> {
    const [order]: Omit<OrderDto, 'history'>[] = await this.dataSource.query(
      `SELECT ${SUMMARY}, lines FROM orders WHERE order_id = $1 AND customer_id IS NOT NULL`,
      [orderId],
    );
    if (!order) return undefined;
    const history: OrderEventDto[] = await this.dataSource.query(
      'SELECT at, event, message_id AS "messageId" FROM order_history WHERE order_id = $1 ORDER BY id',
      [orderId],
    );
    return { ...order, history };
  }

  list(page: {
    readonly status: OrderStatus | undefined;
    readonly after: string | undefined;
    readonly limit: number;
  }): Promise<OrderSummaryDto[]> {
    return this.dataSource.query(
      `SELECT ${SUMMARY} FROM orders
       WHERE customer_id IS NOT NULL AND ($1::text IS NULL OR status = $1) AND ($2::text IS NULL OR order_id > $2)
       ORDER BY order_id LIMIT $3`,
      [page.status ?? null, page.after ?? null, page.limit],
    );
  }
}
