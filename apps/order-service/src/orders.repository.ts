import { Injectable } from '@nestjs/common';
import type { OrderCancelled, OrderCreated } from '@slipstream/contracts';
import { FIRST_PARAMETER, type WriteBeside } from '@slipstream/outbox';
import { DataSource, type EntityManager } from 'typeorm';
import type { OrderDto, OrderEventDto, OrderStatus, OrderSummaryDto } from './orders.dto.js';

/** What other services say about an order. */
export interface OrderFacts {
  readonly orderId: string;
  readonly payment?: 'completed' | 'failed' | undefined;
  readonly inventory?: 'reserved' | 'rejected' | undefined;
  /** Why the order cannot be, in words. */
  readonly reason?: string | undefined;
}

/** Where a statement left an order. */
export interface OrderState {
  readonly orderId: string;
  readonly status: OrderStatus;
  readonly reason: string | null;
  /** Seconds since the order was noted. */
  readonly ageSeconds: number;
}

/** What a pending order may wait for; `registration` is of orders that are only known by what became of them. */
export const WAITING_FOR = ['registration', 'payment', 'inventory', 'payment_and_inventory'] as const;

/** Pending orders that wait for the same. */
export interface PendingOrders {
  readonly waitingFor: (typeof WAITING_FOR)[number];
  readonly count: number;
  readonly oldestAgeSeconds: number;
}

/** More are not counted: what counts must not read for long. */
const MAX_COUNTED = 100_000;

/** A line of an order's history. */
export interface HistoryEntry {
  readonly orderId: string;
  readonly event: string;
  readonly messageId: string;
}

const AGE = 'extract(epoch FROM clock_timestamp() - o.noted_at)::float8';
const STATE = `o.order_id AS "orderId", o.status, o.reason, ${AGE} AS "ageSeconds"`;
const SUMMARY = `order_id AS "orderId", status, customer_id AS "customerId", currency, total_minor AS "totalMinor",
  CASE WHEN status = 'cancelled' THEN reason END AS reason, created_at AS "createdAt"`;

const HAS_STATUS: Readonly<Record<OrderStatus, string>> = {
  pending: `status = 'pending'`,
  confirmed: `status = 'confirmed'`,
  cancelled: `status = 'cancelled'`,
};

/** Parameters of `PLACE`, beginning with those that `columnsOf` gives. */
const [ID, CUSTOMER, CURRENCY, TOTAL, LINES, CREATED, MESSAGE] = [0, 1, 2, 3, 4, 5, 6].map(
  (index) => `$${FIRST_PARAMETER + index}`,
);
const PLACE = `
  placed AS (
    INSERT INTO orders (order_id, customer_id, currency, total_minor, lines, created_at)
    SELECT * FROM unnest(${ID}::text[], ${CUSTOMER}::text[], ${CURRENCY}::text[], ${TOTAL}::bigint[],
      ${LINES}::jsonb[], ${CREATED}::timestamptz[])),
  remembered AS (
    INSERT INTO order_history (order_id, event, message_id)
    SELECT order_id, 'orders.created', message_id
    FROM unnest(${ID}::text[], ${MESSAGE}::text[]) AS entry (order_id, message_id))`;

const REMEMBER = `
  remembered AS (
    INSERT INTO order_history (order_id, event, message_id)
    SELECT * FROM unnest($${FIRST_PARAMETER}::text[], $${FIRST_PARAMETER + 1}::text[], $${FIRST_PARAMETER + 2}::text[]))`;

/**
 * Orders and their history. The table derives the status from facts that are written once and never change, so that
 * events may come late, again and in any order. Every statement takes its rows in the order of their ids: two batches
 * over the same orders wait for each other and never deadlock.
 */
@Injectable()
export class OrdersRepository {
  constructor(private readonly dataSource: DataSource) {}

  /** Those of the ids whose orders are registered. */
  async registered(orderIds: readonly string[]): Promise<ReadonlySet<string>> {
    const rows: { orderId: string }[] = await this.dataSource.query(
      `SELECT order_id AS "orderId" FROM orders WHERE order_id = ANY($1::text[]) AND customer_id IS NOT NULL`,
      [orderIds],
    );
    return new Set(rows.map(({ orderId }) => orderId));
  }

  /**
   * Writes orders, whose outcomes may be known already. `orders` names each order once.
   * @returns the orders that were not registered before
   */
  register(tx: EntityManager, orders: readonly OrderCreated[]): Promise<OrderState[]> {
    return tx.query(
      `INSERT INTO orders AS o (order_id, customer_id, currency, total_minor, lines, created_at)
       SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::jsonb[], $6::timestamptz[])
         AS new (order_id, customer_id, currency, total_minor, lines, created_at)
       ORDER BY order_id COLLATE "C"
       ON CONFLICT (order_id) DO UPDATE
         SET customer_id = EXCLUDED.customer_id, currency = EXCLUDED.currency, total_minor = EXCLUDED.total_minor,
             lines = EXCLUDED.lines, created_at = EXCLUDED.created_at
         WHERE o.customer_id IS NULL
       RETURNING ${STATE}`,
      columnsOf(orders),
    );
  }

  /**
   * Writes new orders and the begin of their history, beside their events. No other transaction knows of one of them.
   */
  place(orders: readonly OrderCreated[]): WriteBeside {
    return {
      name: 'place',
      terms: PLACE,
      values: [...columnsOf(orders), orders.map(({ messageId }) => messageId)],
    };
  }

  /**
   * Adds facts; of each kind the first counts. `facts` names each order once. Locks the orders until the transaction
   * ends.
   * @returns the orders that were pending before: one that is not pending now was settled by these facts
   */
  record(tx: EntityManager, facts: readonly OrderFacts[]): Promise<OrderState[]> {
    return tx.query(
      `INSERT INTO orders AS o (order_id, payment, inventory, reason)
       SELECT order_id, coalesce(payment, 'pending'), coalesce(inventory, 'pending'), reason
       FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS fact (order_id, payment, inventory, reason)
       ORDER BY order_id COLLATE "C"
       ON CONFLICT (order_id) DO UPDATE
         SET payment   = CASE WHEN o.payment = 'pending' THEN EXCLUDED.payment ELSE o.payment END,
             inventory = CASE WHEN o.inventory = 'pending' THEN EXCLUDED.inventory ELSE o.inventory END,
             reason    = coalesce(o.reason, EXCLUDED.reason)
         WHERE o.status = 'pending'
       RETURNING ${STATE}`,
      [
        facts.map(({ orderId }) => orderId),
        facts.map(({ payment }) => payment ?? null),
        facts.map(({ inventory }) => inventory ?? null),
        facts.map(({ reason }) => reason ?? null),
      ],
    );
  }

  /**
   * Gives up the oldest orders that have been pending for longer than `ageMs`. Orders that another transaction is
   * about to move are left alone.
   * @returns the orders that this cancelled
   */
  async expire(tx: EntityManager, ageMs: number, reason: string, limit: number): Promise<OrderState[]> {
    const [expired]: [OrderState[], number] = await tx.query(
      `WITH late AS (
         SELECT order_id FROM orders WHERE status = 'pending' AND noted_at < now() - $1 * interval '1 millisecond'
         ORDER BY noted_at LIMIT $3 FOR UPDATE SKIP LOCKED)
       UPDATE orders AS o SET is_expired = true, reason = coalesce(o.reason, $2)
       FROM late WHERE o.order_id = late.order_id
       RETURNING ${STATE}`,
      [ageMs, reason, limit],
    );
    return expired;
  }

  /**
   * Gives up orders of whose cancellation an event tells. `cancelled` names each order once.
   * @returns the orders that were pending before
   */
  recall(tx: EntityManager, cancelled: readonly OrderCancelled[]): Promise<OrderState[]> {
    return tx.query(
      `INSERT INTO orders AS o (order_id, is_expired, reason)
       SELECT order_id, true, reason FROM unnest($1::text[], $2::text[]) AS told (order_id, reason)
       ORDER BY order_id COLLATE "C"
       ON CONFLICT (order_id) DO UPDATE SET is_expired = true, reason = EXCLUDED.reason
         WHERE o.status = 'pending'
       RETURNING ${STATE}`,
      [cancelled.map(({ orderId }) => orderId), cancelled.map(({ reason }) => reason)],
    );
  }

  countPending(): Promise<PendingOrders[]> {
    // Ages are told of the oldest only: of each order they would take half of the time.
    return this.dataSource.query(
      `SELECT "waitingFor", count(*)::int AS count,
         extract(epoch FROM clock_timestamp() - min(noted_at))::float8 AS "oldestAgeSeconds"
       FROM (SELECT CASE WHEN customer_id IS NULL THEN 'registration'
                         WHEN payment <> 'pending' THEN 'inventory'
                         WHEN inventory <> 'pending' THEN 'payment'
                         ELSE 'payment_and_inventory' END AS "waitingFor", noted_at
             FROM orders WHERE status = 'pending' ORDER BY noted_at LIMIT ${MAX_COUNTED}) AS counted
       GROUP BY 1`,
    );
  }

  /** Writes history, beside the events of orders that the transaction has locked. */
  remember(entries: readonly HistoryEntry[]): WriteBeside {
    return {
      name: 'remember',
      terms: REMEMBER,
      values: [
        entries.map(({ orderId }) => orderId),
        entries.map(({ event }) => event),
        entries.map(({ messageId }) => messageId),
      ],
    };
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

  list({
    status,
    after,
    limit,
  }: {
    readonly status: OrderStatus | undefined;
    readonly after: string | undefined;
    readonly limit: number;
  }): Promise<OrderSummaryDto[]> {
    const values: unknown[] = [limit];
    // One plan for all statuses, or for a condition that may be absent, would read all orders to find the few that are meant.
    const conditions = [
      'customer_id IS NOT NULL',
      ...(status === undefined ? [] : [HAS_STATUS[status]]),
      ...(after === undefined ? [] : [`order_id > $${values.push(after)}`]),
    ];
    return this.dataSource.query(
      `SELECT ${SUMMARY} FROM orders WHERE ${conditions.join(' AND ')} ORDER BY order_id LIMIT $1`,
      values,
    );
  }
}

function columnsOf(orders: readonly OrderCreated[]): unknown[][] {
  return [
    orders.map(({ orderId }) => orderId),
    orders.map(({ customerId }) => customerId),
    orders.map(({ currency }) => currency),
    orders.map(({ totalMinor }) => totalMinor),
    orders.map(({ lines }) => JSON.stringify(lines)),
    orders.map(({ createdAt }) => timestamp(createdAt)),
  ];
}

/** PostgreSQL takes the sign that ISO 8601 puts before a year of more than four digits for a time zone. */
function timestamp(epochMs: number): string {
  return new Date(epochMs).toISOString().replace(/^\+0*/, '');
}
