import { Injectable } from '@nestjs/common';
import { EventEncoder, type EncodedEvent } from '@slipstream/contracts';
import { FIRST_PARAMETER, Outbox, type WriteBeside } from '@slipstream/outbox';
import { GroupCommit, GroupItemError } from '@slipstream/postgres';
import { DataSource, type EntityManager } from 'typeorm';
import { announce, apply, type Change, type Changed, type Payment } from './payment.js';
import { NONE, opening, stepOf, UNSETTLED, type PaymentState } from './payment-state.js';

const PAYMENT = `order_id AS "orderId", state, gateway_key AS "gatewayKey", amount_minor AS "amountMinor", currency,
  charge_id AS "chargeId", reason, sent_at AS "sentAt", created_at AS "createdAt"`;
/** Written out, or the planner would not see that the partial index fits. */
const UNSETTLED_LIST = UNSETTLED.map((state) => `'${state}'`).join(', ');
/** Parameters of `STORE`. */
const [ID, STATE, AMOUNT, CURRENCY, CHARGE, REASON, SENT] = Array.from(
  { length: 7 },
  (_, index) => `$${FIRST_PARAMETER + index}`,
);
const STORE = `
  stored AS (
    UPDATE payments AS p
    SET state = c.state, amount_minor = c.amount_minor, currency = c.currency, charge_id = c.charge_id,
      reason = c.reason, sent_at = c.sent_at, updated_at = now()
    FROM unnest(${ID}::text[], ${STATE}::text[], ${AMOUNT}::bigint[], ${CURRENCY}::text[], ${CHARGE}::text[],
        ${REASON}::text[], ${SENT}::timestamptz[])
      AS c (order_id, state, amount_minor, currency, charge_id, reason, sent_at)
    WHERE p.order_id = c.order_id)`;
/** More are not counted: what counts must not read for long. */
const MAX_COUNTED = 100_000;

/** Payments of one state. */
export interface Unsettled {
  readonly count: number;
  /** Since this service first heard of the order. */
  readonly oldestAgeSeconds: number;
}

const GROUPS = { maxGroup: 500, maxWaiting: 10_000, concurrency: 2 };

/**
 * Keeps payments. Changes that arrive together are committed together, with the events that tell of them, in a few
 * statements. The row of an order is its own inbox: whatever message ids a change comes with, it happens once.
 */
@Injectable()
export class PaymentsRepository {
  private readonly changes = new GroupCommit<Change, Changed>({
    ...GROUPS,
    commit: (changes) => this.commit(changes),
    keyOf: ({ orderId }) => orderId,
  });

  constructor(
    private readonly dataSource: DataSource,
    private readonly outbox: Outbox,
    private readonly events: EventEncoder,
  ) {}

  /** Resolves after the commit. A change that means nothing to the payment any more is no error. */
  change(change: Change): Promise<Changed> {
    return this.changes.submit(change);
  }

  /** Takes payments on which nobody has worked for a while; for as long again no other instance takes them. */
  async claimUnsettled(limit: number, idleMs: number): Promise<Payment[]> {
    const [payments]: [Payment[], number] = await this.dataSource.query(
      `UPDATE payments SET updated_at = now()
       WHERE order_id IN (
         SELECT order_id FROM payments
         WHERE state IN (${UNSETTLED_LIST}) AND updated_at <= now() - make_interval(secs => $2)
         ORDER BY updated_at LIMIT $1 FOR UPDATE SKIP LOCKED)
       RETURNING ${PAYMENT}`,
      [limit, idleMs / 1_000],
    );
    return payments;
  }

  /** Payments that have not come to their end, by state. */
  async countUnsettled(): Promise<ReadonlyMap<PaymentState, Unsettled>> {
    const rows: ({ state: PaymentState } & Unsettled)[] = await this.dataSource.query(
      `SELECT state, count(*)::int AS count,
         extract(epoch FROM clock_timestamp() - min(created_at))::float8 AS "oldestAgeSeconds"
       FROM (SELECT state, created_at FROM payments WHERE state IN (${UNSETTLED_LIST}) LIMIT ${MAX_COUNTED}) AS counted
       GROUP BY state`,
    );
    return new Map(rows.map(({ state, ...unsettled }) => [state, unsettled]));
  }

  /** Cancelled payments that the provider would not refund. */
  async countDeclinedRefunds(): Promise<number> {
    const [{ count }] = await this.dataSource.query(
      `SELECT count(*)::int AS count FROM payments WHERE state = 'refund_declined'`,
    );
    return count;
  }

  /** Somebody still has to work on the payment of an order. */
  async isUnsettled(orderId: string): Promise<boolean> {
    const [row]: { state: PaymentState }[] = await this.dataSource.query(
      'SELECT state FROM payments WHERE order_id = $1',
      [orderId],
    );
    return row !== undefined && stepOf(row.state) !== undefined;
  }

  private commit(changes: readonly Change[]): Promise<(Changed | Error)[]> {
    return this.dataSource.transaction(async (tx) => {
      const opened = await this.open(tx, firstOfEachOrder(changes));
      const others = changes.filter(({ orderId }, index) => opened.get(orderId)?.index !== index);
      const payments = await this.lock(tx, others);
      const touched = new Map<string, Payment>();
      const results = changes.map((change, index): Changed | Error => {
        const fresh = opened.get(change.orderId);
        if (fresh?.index === index) return { from: NONE, payment: fresh.payment };
        const before = payments.get(change.orderId);
        if (!before) return new Error(`order ${change.orderId} has no payment to ${change.event}`);
        const payment = apply(before, change);
        payments.set(change.orderId, payment);
        // One that is being worked on is written although nothing of it changes: it is not stalled.
        if (payment !== before || stepOf(before.state)) touched.set(change.orderId, payment);
        return { from: before.state, payment };
      });
      const events = results.map((result, index) => this.announce(result, index));
      await this.outbox.append(
        tx,
        events.filter((event) => event !== undefined),
        storing([...touched.values()]),
      );
      return results;
    });
  }

  /** A change that cannot be told must not be stored either. */
  private announce(result: Changed | Error, index: number): EncodedEvent | undefined {
    if (result instanceof Error) return undefined;
    try {
      return announce(result, this.events);
    } catch (error) {
      throw new GroupItemError(index, error);
    }
  }

  /** Opens the payments that are new, in one statement, in one order of keys in all transactions. */
  private async open(
    tx: EntityManager,
    candidates: ReadonlyMap<string, Opening>,
  ): Promise<Map<string, { payment: Payment; index: number }>> {
    const rows = [...candidates.values()];
    if (rows.length === 0) return new Map();
    const payments: Payment[] = await tx.query(
      `INSERT INTO payments (order_id, state, gateway_key, amount_minor, currency, reason, sent_at)
       SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::timestamptz[])
         AS c (order_id, state, gateway_key, amount_minor, currency, reason, sent_at)
       ORDER BY order_id
       ON CONFLICT (order_id) DO NOTHING
       RETURNING ${PAYMENT}`,
      [
        rows.map(({ change }) => change.orderId),
        rows.map(({ state }) => state),
        rows.map(({ change }) => keyOf(change.orderId)),
        rows.map(({ change }) => change.amountMinor),
        rows.map(({ change }) => change.currency),
        rows.map(({ change }) => change.reason),
        rows.map(({ change }) => change.sentAt),
      ],
    );
    return new Map(
      payments.map((payment) => [
        payment.orderId,
        { payment, index: candidates.get(payment.orderId)?.index ?? -1 },
      ]),
    );
  }

  /** Reads payments and keeps everybody else from changing them, in one order of keys in all transactions. */
  private async lock(tx: EntityManager, changes: readonly Change[]): Promise<Map<string, Payment>> {
    if (changes.length === 0) return new Map();
    const payments: Payment[] = await tx.query(
      `SELECT ${PAYMENT} FROM payments WHERE order_id = ANY($1) ORDER BY order_id FOR UPDATE`,
      [[...new Set(changes.map(({ orderId }) => orderId))]],
    );
    return new Map(payments.map((payment) => [payment.orderId, payment]));
  }
}

interface Opening {
  readonly change: Change;
  readonly index: number;
  readonly state: string;
}

/** Stores payments beside the events that tell of them. */
function storing(rows: readonly Payment[]): WriteBeside | undefined {
  if (rows.length === 0) return undefined;
  return {
    name: 'store',
    terms: STORE,
    values: [
      rows.map(({ orderId }) => orderId),
      rows.map(({ state }) => state),
      rows.map(({ amountMinor }) => amountMinor),
      rows.map(({ currency }) => currency),
      rows.map(({ chargeId }) => chargeId),
      rows.map(({ reason }) => reason),
      rows.map(({ sentAt }) => sentAt),
    ],
  };
}

function firstOfEachOrder(changes: readonly Change[]): Map<string, Opening> {
  const first = new Map<string, Opening>();
  changes.forEach((change, index) => {
    const state = opening(change.event);
    if (state && !first.has(change.orderId)) first.set(change.orderId, { change, index, state });
  });
  return first;
}

/** Nothing of the message is in it: an order has one key, however often and in whatever version it arrives. */
function keyOf(orderId: string): string {
  return `charge-${orderId}`;
}
