import { EventEncoder, newEvent, type OrderCancelled, type OrderCreated } from '@slipstream/contracts';
import { Outbox, outboxMigrations } from '@slipstream/outbox';
import { createTestDatabase, uniqueName, type TestDatabase } from '@slipstream/testing';
import { DataSource } from 'typeorm';
import { declaration } from '../src/declaration.js';
import { GatewayGuard } from '../src/gateway-guard.js';
import { CreatePayments1763700000002 } from '../src/migrations/create-payments.js';
import { IndexDeclinedRefunds1763900000001 } from '../src/migrations/index-declined-refunds.js';
import { ReshapePayments1763700000003 } from '../src/migrations/reshape-payments.js';
import {
  PaymentGateway,
  type ChargeRequest,
  type ChargeResult,
  type RefundRequest,
  type RefundResult,
} from '../src/payment-gateway.js';
import { PaymentsRepository } from '../src/payments.repository.js';
import { PaymentsService } from '../src/payments.service.js';
import { StalledPaymentsService } from '../src/stalled-payments.service.js';

const BREAKS = { firstMs: 60_000, longestMs: 60_000 };
/** Seconds after which an order is given up. */
export const TIMEOUT_S = 1_800;

/** Charges and refunds once for each key; `fail` is thrown before, `lose` after the effect. */
export class FakeGateway extends PaymentGateway {
  keyLifetimeMs = Infinity;
  readonly outcomes = new Map<string, ChargeResult>();
  readonly refunded: string[] = [];
  /** Keys of the calls that asked to charge. */
  readonly keys: string[] = [];
  fail: Error | undefined;
  lose: Error | undefined;
  gate: Promise<void> | undefined;
  limit = Infinity;
  refusesRefunds = false;

  async charge({ key, amountMinor }: ChargeRequest): Promise<ChargeResult> {
    this.keys.push(key);
    await this.gate;
    if (this.fail) throw this.fail;
    if (amountMinor > this.limit) return { status: 'declined', reason: 'too much' };
    const result = this.outcomes.get(key) ?? { status: 'succeeded', chargeId: uniqueName('ch') };
    this.outcomes.set(key, result);
    if (this.lose) throw this.lose;
    return result;
  }

  find({ key }: ChargeRequest): Promise<ChargeResult | undefined> {
    return this.fail ? Promise.reject(this.fail) : Promise.resolve(this.outcomes.get(key));
  }

  close({ key }: ChargeRequest): Promise<ChargeResult> {
    if (this.fail) return Promise.reject(this.fail);
    const result = this.outcomes.get(key) ?? { status: 'voided' };
    this.outcomes.set(key, result);
    return this.lose ? Promise.reject(this.lose) : Promise.resolve(result);
  }

  refund({ key }: RefundRequest): Promise<RefundResult> {
    if (this.fail) return Promise.reject(this.fail);
    if (this.refusesRefunds) return Promise.resolve({ status: 'declined', reason: 'account closed' });
    if (!this.refunded.includes(key)) this.refunded.push(key);
    return this.lose ? Promise.reject(this.lose) : Promise.resolve({ status: 'succeeded' });
  }
}

/** Payments on a database of its own, and an order to be paid. */
export class PaymentsScene {
  dataSource: DataSource;
  gateway: FakeGateway;
  payments: PaymentsService;
  stalled: StalledPaymentsService;
  order: OrderCreated;
  /** Of the order. */
  cancelled: OrderCancelled;
  private database: TestDatabase;
  private readonly encoder = new EventEncoder({
    source: declaration.name,
    publishes: declaration.publishes,
  });

  /** Before all tests. */
  async open(): Promise<void> {
    this.database = await createTestDatabase();
    this.dataSource = await new DataSource({
      type: 'postgres',
      url: this.database.url,
      parseInt8: true,
      migrations: [
        ...outboxMigrations,
        CreatePayments1763700000002,
        ReshapePayments1763700000003,
        IndexDeclinedRefunds1763900000001,
      ],
      migrationsRun: true,
    }).initialize();
  }

  /** Before each test. */
  async set(): Promise<void> {
    await this.dataSource.query('TRUNCATE payments, outbox');
    this.gateway = new FakeGateway();
    this.payments = this.newPayments();
    this.stalled = this.newStalled();
    this.order = this.newOrder();
    this.cancelled = { ...newEvent(this.order.orderId), reason: 'out of stock' };
  }

  /** After all tests. */
  async close(): Promise<void> {
    await this.dataSource.destroy();
    await this.database.drop();
  }

  newOrder(totalMinor = 1999): OrderCreated {
    return { ...newEvent(uniqueName('o')), customerId: 'c-1', currency: 'EUR', totalMinor, lines: [] };
  }

  newGuard(): GatewayGuard {
    return new GatewayGuard(BREAKS);
  }

  newRepository(): PaymentsRepository {
    return new PaymentsRepository(this.dataSource, new Outbox(), this.encoder);
  }

  newPayments(provider: PaymentGateway = this.gateway, guard = this.newGuard()): PaymentsService {
    return new PaymentsService(this.newRepository(), provider, guard, { ORDER_TIMEOUT: TIMEOUT_S });
  }

  /** A process that dies while its first call is under way: the call goes on, and nothing comes of its answer. */
  newDying(provider: PaymentGateway): PaymentsService {
    const guard = this.newGuard();
    guard.execute = (call) => {
      call().catch(() => undefined);
      return new Promise(() => undefined);
    };
    return this.newPayments(provider, guard);
  }

  newStalled(guard = this.newGuard()): StalledPaymentsService {
    return new StalledPaymentsService(this.newRepository(), this.payments, guard);
  }

  keyOf({ orderId }: OrderCreated): string {
    return `charge-${orderId}`;
  }

  async stateOf({ orderId }: OrderCreated): Promise<string | undefined> {
    const [row]: { state: string }[] = await this.dataSource.query(
      'SELECT state FROM payments WHERE order_id = $1',
      [orderId],
    );
    return row?.state;
  }

  /** Subjects of the events about the order, in the order of their appending. */
  async eventsOf({ orderId }: OrderCreated): Promise<string[]> {
    const rows: { subject: string }[] = await this.dataSource.query(
      'SELECT subject FROM outbox WHERE aggregate_id = $1 ORDER BY id',
      [orderId],
    );
    return rows.map(({ subject }) => subject);
  }

  /** Lets the payments look as if nobody had worked on them for long. */
  async age(): Promise<void> {
    await this.dataSource.query(`UPDATE payments SET updated_at = now() - interval '301 seconds'`);
  }

  resumeStalled(): Promise<number> {
    return this.stalled.resumeBatch(100, 300_000);
  }
}
