import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { EventEncoder, newEvent, type OrderCancelled, type OrderCreated } from '@slipstream/contracts';
import { Outbox, outboxMigrations } from '@slipstream/outbox';
import { createTestDatabase, uniqueName, waitFor, type TestDatabase } from '@slipstream/testing';
import { register } from 'prom-client';
import { DataSource } from 'typeorm';
import { PaymentMetrics } from './payment-metrics.js';
import { GatewayGuard } from './gateway-guard.js';
import { CreatePayments1763700000002 } from './migrations/create-payments.js';
import { IndexDeclinedRefunds1763900000001 } from './migrations/index-declined-refunds.js';
import { ReshapePayments1763700000003 } from './migrations/reshape-payments.js';
import {
  AnswerLostError,
  ChargePendingError,
  GatewayUnavailableError,
  PaymentGateway,
  type ChargeRequest,
  type ChargeResult,
  type RefundRequest,
  type RefundResult,
} from './payment-gateway.js';
import { declaration } from './declaration.js';
import { PaymentsRepository } from './payments.repository.js';
import { PaymentsService } from './payments.service.js';
import { StalledPaymentsService } from './stalled-payments.service.js';

/** Charges and refunds once for each key; `fail` is thrown before, `lose` after the effect. */
class FakeGateway extends PaymentGateway {
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

const BREAKS = { firstMs: 60_000, longestMs: 60_000 };
const TIMEOUT_S = 1_800;

describe('payments', () => {
  let database: TestDatabase;
  let dataSource: DataSource;
  let gateway: FakeGateway;
  let payments: PaymentsService;
  let stalled: StalledPaymentsService;
  let order: OrderCreated;
  let cancelled: OrderCancelled;

  const newOrder = (totalMinor = 1999): OrderCreated => ({
    ...newEvent(uniqueName('o')),
    customerId: 'c-1',
    currency: 'EUR',
    totalMinor,
    lines: [],
  });
  const keyOf = ({ orderId }: OrderCreated) => `charge-${orderId}`;
  const stateOf = async ({ orderId }: OrderCreated): Promise<string | undefined> => {
    const [row]: { state: string }[] = await dataSource.query(
      'SELECT state FROM payments WHERE order_id = $1',
      [orderId],
    );
    return row?.state;
  };
  const eventsOf = async ({ orderId }: OrderCreated): Promise<string[]> => {
    const rows: { subject: string }[] = await dataSource.query(
      'SELECT subject FROM outbox WHERE aggregate_id = $1 ORDER BY id',
      [orderId],
    );
    return rows.map(({ subject }) => subject);
  };
  const age = () => dataSource.query(`UPDATE payments SET updated_at = now() - interval '301 seconds'`);
  const encoder = new EventEncoder({ source: declaration.name, publishes: declaration.publishes });
  const newRepository = () => new PaymentsRepository(dataSource, new Outbox(), encoder);
  const newPayments = (provider: PaymentGateway) =>
    new PaymentsService(newRepository(), provider, new GatewayGuard(BREAKS), { ORDER_TIMEOUT: TIMEOUT_S });
  const newStalled = () => new StalledPaymentsService(newRepository(), payments, new GatewayGuard(BREAKS));
  const resumeStalled = () => stalled.resumeBatch(100, 300_000);

  beforeAll(async () => {
    Logger.overrideLogger(false);
    database = await createTestDatabase();
    dataSource = await new DataSource({
      type: 'postgres',
      url: database.url,
      parseInt8: true,
      migrations: [
        ...outboxMigrations,
        CreatePayments1763700000002,
        ReshapePayments1763700000003,
        IndexDeclinedRefunds1763900000001,
      ],
      migrationsRun: true,
    }).initialize();
  });

  beforeEach(async () => {
    await dataSource.query('TRUNCATE payments, outbox');
    gateway = new FakeGateway();
    payments = newPayments(gateway);
    stalled = newStalled();
    order = newOrder();
    cancelled = { ...newEvent(order.orderId), reason: 'out of stock' };
  });

  afterAll(async () => {
    await dataSource.destroy();
    await database.drop();
  });

  describe('of an order that is cancelled', () => {
    it('are refunded once when they were charged', async () => {
      await payments.charge(order);
      await payments.cancel(cancelled);
      await payments.cancel(cancelled);
      await payments.charge(order);
      expect(gateway.refunded).toEqual([keyOf(order)]);
      expect(await eventsOf(order)).toEqual(['payments.completed.v1', 'payments.refunded.v1']);
    });

    it('are never charged when the cancellation comes first', async () => {
      await payments.cancel(cancelled);
      await payments.charge(order);
      expect(gateway.keys).toEqual([]);
      expect(await stateOf(order)).toBe('void');
    });

    it('are not charged once the gateway is back', async () => {
      gateway.fail = new GatewayUnavailableError('down');
      await expect(payments.charge(order)).rejects.toBe(gateway.fail);
      await expect(payments.cancel(cancelled)).rejects.toBe(gateway.fail);
      await expect(payments.charge(order)).rejects.toBe(gateway.fail);
      expect(await stateOf(order)).toBe('cancelling');
      gateway.fail = undefined;
      await payments.charge(order);
      expect(gateway.keys).toHaveLength(1);
      expect(await stateOf(order)).toBe('void');
      expect(await eventsOf(order)).toEqual([]);
    });

    it('are refunded once when the call whose answer was lost had charged', async () => {
      gateway.lose = new AnswerLostError('cut off');
      await expect(payments.charge(order)).rejects.toBe(gateway.lose);
      gateway.lose = undefined;
      await payments.cancel(cancelled);
      await payments.charge(order);
      await payments.charge(order);
      expect(gateway.keys).toHaveLength(1);
      expect(gateway.refunded).toEqual([keyOf(order)]);
      expect(await stateOf(order)).toBe('refunded');
      expect(await eventsOf(order)).toEqual(['payments.completed.v1', 'payments.refunded.v1']);
    });

    it('are refunded by the delivery whose charge was under way', async () => {
      const { promise, resolve: open } = Promise.withResolvers<void>();
      gateway.gate = promise;
      gateway.close = () => Promise.reject(new ChargePendingError('in flight'));
      const charging = payments.charge(order);
      await waitFor('the call', () => gateway.keys.length === 1);
      await expect(payments.cancel(cancelled)).rejects.toThrow('in flight');
      open();
      await charging;
      expect(await stateOf(order)).toBe('refunded');
      expect(await eventsOf(order)).toEqual(['payments.completed.v1', 'payments.refunded.v1']);
    });

    it('are never charged by a call that is still travelling when its process is dead', async () => {
      const { promise, resolve: arrive } = Promise.withResolvers<void>();
      const { promise: arrived, resolve: end } = Promise.withResolvers<unknown>();
      const dying = new FakeGateway();
      // The process dies now, its call arrives later.
      dying.charge = (request) => {
        gateway.keys.push(request.key);
        void promise.then(() => gateway.charge(request)).then(end);
        return new Promise<never>(() => undefined);
      };
      void newPayments(dying).charge(order);
      await waitFor('the call', () => gateway.keys.length === 1);
      await payments.cancel(cancelled);
      await payments.charge(order);
      expect(await stateOf(order)).toBe('void');
      arrive();
      expect(await arrived).toEqual({ status: 'voided' });
      expect(await eventsOf(order)).toEqual([]);
    });

    it('are refunded when the call of a process that died had arrived', async () => {
      const dying = new FakeGateway();
      dying.charge = async (request) => {
        await gateway.charge(request);
        return new Promise<never>(() => undefined);
      };
      void newPayments(dying).charge(order);
      await waitFor('the call', () => gateway.outcomes.size === 1);
      await payments.cancel(cancelled);
      expect(gateway.refunded).toEqual([keyOf(order)]);
      expect(await eventsOf(order)).toEqual(['payments.completed.v1', 'payments.refunded.v1']);
    });

    it('are left to somebody when the provider refuses the refund', async () => {
      gateway.refusesRefunds = true;
      await payments.charge(order);
      await payments.cancel(cancelled);
      expect(await stateOf(order)).toBe('refund_declined');
      expect(await eventsOf(order)).toEqual(['payments.completed.v1']);
    });

    it('raise an alarm when the provider refuses the refund', async () => {
      const alarmed = jest.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
      gateway.refusesRefunds = true;
      await payments.charge(order);
      await payments.cancel(cancelled);
      const { orderId } = order;
      const reason = 'account closed';
      expect(alarmed.mock.calls).toEqual([
        [{ orderId, amountMinor: 1999, currency: 'EUR', reason }, expect.stringContaining('refund declined')],
      ]);
      alarmed.mockRestore();
      const declined = new PaymentMetrics(newRepository());
      await declined.count();
      expect(await register.metrics()).toContain('payments_refund_declined 1\n');
      await dataSource.query(`UPDATE payments SET state = 'refunded'`);
      await declined.count();
      expect(await register.metrics()).toContain('payments_refund_declined 0\n');
    });

    it('are refunded by the redelivered order after their refund failed', async () => {
      const { promise, resolve: open } = Promise.withResolvers<void>();
      gateway.gate = promise;
      gateway.close = () => Promise.reject(new ChargePendingError('in flight'));
      const charging = payments.charge(order);
      await waitFor('the call', () => gateway.keys.length === 1);
      await expect(payments.cancel(cancelled)).rejects.toThrow('in flight');
      const failing = new GatewayUnavailableError('throttled');
      gateway.refund = () => Promise.reject(failing);
      open();
      await expect(charging).rejects.toBe(failing);
      expect(await stateOf(order)).toBe('refund_sent');
      Reflect.deleteProperty(gateway, 'refund');
      await payments.charge(order);
      expect(await stateOf(order)).toBe('refunded');
      expect(await eventsOf(order)).toEqual(['payments.completed.v1', 'payments.refunded.v1']);
    });
  });

  describe('that stalled', () => {
    it('are charged under their own key, by one of several instances', async () => {
      gateway.fail = new GatewayUnavailableError('down');
      await expect(payments.charge(order)).rejects.toBe(gateway.fail);
      gateway.fail = undefined;
      await age();
      const counts = await Promise.all([resumeStalled(), newStalled().resumeBatch(100, 300_000)]);
      expect(counts.toSorted()).toEqual([0, 1]);
      expect(gateway.keys).toEqual([keyOf(order), keyOf(order)]);
      expect(await eventsOf(order)).toEqual(['payments.completed.v1']);
    });

    it('are recorded without another charge when the lost call had charged', async () => {
      gateway.lose = new AnswerLostError('cut off');
      await expect(payments.charge(order)).rejects.toBe(gateway.lose);
      await age();
      await resumeStalled();
      expect(gateway.keys).toHaveLength(1);
      expect(await stateOf(order)).toBe('succeeded');
    });

    it('are not charged when their order is cancelled', async () => {
      gateway.fail = new GatewayUnavailableError('down');
      await expect(payments.charge(order)).rejects.toBe(gateway.fail);
      await expect(payments.cancel(cancelled)).rejects.toBe(gateway.fail);
      gateway.fail = undefined;
      await age();
      await resumeStalled();
      expect(gateway.keys).toHaveLength(1);
      expect(await stateOf(order)).toBe('void');
    });

    it('are refunded when their refund used up its attempts', async () => {
      await payments.charge(order);
      gateway.lose = new AnswerLostError('cut off');
      await expect(payments.cancel(cancelled)).rejects.toBe(gateway.lose);
      gateway.lose = undefined;
      await age();
      await resumeStalled();
      expect(gateway.refunded).toEqual([keyOf(order)]);
      expect(await stateOf(order)).toBe('refunded');
    });

    it('are counted by state', async () => {
      gateway.fail = new GatewayUnavailableError('down');
      await expect(payments.charge(order)).rejects.toBe(gateway.fail);
      const metrics = new PaymentMetrics(newRepository());
      await metrics.count();
      expect(await register.metrics()).toContain('payments_unsettled{state="sent"} 1\n');
      gateway.fail = undefined;
      await age();
      await resumeStalled();
      await metrics.count();
      expect(await register.metrics()).toContain('payments_unsettled{state="sent"} 0\n');
    });

    it('are left alone while somebody may be at work on them', async () => {
      gateway.fail = new GatewayUnavailableError('down');
      await expect(payments.charge(order)).rejects.toBe(gateway.fail);
      expect(await resumeStalled()).toBe(0);
      await age();
      expect(await resumeStalled()).toBe(1);
      expect(await resumeStalled()).toBe(0);
    });
  });

  describe('of an order that is given up because it waited for too long', () => {
    const longAgo = () => new Date(Date.now() - TIMEOUT_S * 1_000);
    const makeOld = () =>
      dataSource.query(`UPDATE payments SET created_at = now() - make_interval(secs => $1)`, [TIMEOUT_S]);

    it('are never made, and its cancellation has nothing to give back', async () => {
      await payments.charge(order, longAgo());
      await payments.cancel(cancelled);
      await payments.charge(order);
      expect(gateway.keys).toEqual([]);
      expect(await eventsOf(order)).toEqual(['payments.failed.v1']);
      const [row] = await dataSource.query('SELECT state, reason FROM payments');
      expect(row).toEqual({ state: 'declined', reason: 'not paid within 1800 s' });
    });

    it('are not made by who goes on with what an outage left behind', async () => {
      const guard = new GatewayGuard(BREAKS);
      const away = new PaymentsService(newRepository(), gateway, guard, { ORDER_TIMEOUT: TIMEOUT_S });
      jest.spyOn(guard, 'isOpen', 'get').mockReturnValue(true);
      await expect(away.charge(order)).rejects.toThrow(GatewayUnavailableError);
      expect(await stateOf(order)).toBe('intent');
      await age();
      await makeOld();
      await resumeStalled();
      expect(gateway.keys).toEqual([]);
      expect(await eventsOf(order)).toEqual(['payments.failed.v1']);
    });

    it.each([
      { when: 'did not reach the gateway', key: 'fail', events: ['payments.failed.v1'] },
      { when: 'had charged', key: 'lose', events: ['payments.completed.v1'] },
    ] as const)('are asked about and not made again when a lost call $when', async ({ key, events }) => {
      gateway[key] = new AnswerLostError('cut off');
      await expect(payments.charge(order)).rejects.toBe(gateway[key]);
      gateway[key] = undefined;
      await age();
      await makeOld();
      await resumeStalled();
      expect(gateway.keys).toHaveLength(1);
      expect(await eventsOf(order)).toEqual(events);
    });
  });

  it('whose key the provider may have forgotten are asked about and closed, never charged again', async () => {
    gateway.fail = new GatewayUnavailableError('down');
    await expect(payments.charge(order)).rejects.toBe(gateway.fail);
    gateway.fail = undefined;
    gateway.keyLifetimeMs = 60_000;
    await dataSource.query(`UPDATE payments SET sent_at = now() - interval '61 seconds'`);
    await payments.charge(order);
    expect(gateway.keys).toHaveLength(1);
    expect(gateway.outcomes.get(keyOf(order))).toEqual({ status: 'voided' });
    expect(await eventsOf(order)).toEqual(['payments.failed.v1']);
  });

  it('keep the amount that came first when an order arrives twice with different ones', async () => {
    gateway.fail = new GatewayUnavailableError('down');
    await expect(payments.charge(order)).rejects.toBe(gateway.fail);
    gateway.fail = undefined;
    await payments.charge({ ...order, ...newEvent(order.orderId), totalMinor: 5 });
    const [row] = await dataSource.query('SELECT amount_minor FROM payments');
    expect(row).toEqual({ amount_minor: 1_999 });
  });

  it('of many orders that arrive together, twice and cancelled among them, come to their ends in a few commits', async () => {
    const orders = Array.from({ length: 200 }, () => newOrder());
    const commits = jest.spyOn(dataSource, 'transaction');
    await Promise.all(
      orders.flatMap((each, index) => [
        payments.charge(each),
        payments.charge({ ...each, ...newEvent(each.orderId) }),
        ...(index % 4 === 0 ? [payments.cancel({ ...newEvent(each.orderId), reason: 'test' })] : []),
      ]),
    );
    expect(commits.mock.calls.length).toBeLessThan(40);
    commits.mockRestore();
    const states = await dataSource.query('SELECT state, count(*) FROM payments GROUP BY 1 ORDER BY 1');
    expect(states).toContainEqual({ state: 'succeeded', count: 150 });
    const charged = [...gateway.outcomes.values()].filter(({ status }) => status === 'succeeded').length;
    expect(charged - gateway.refunded.length).toBe(150);
  });

  it('are recorded for each of two orders whose messages carry the same id', async () => {
    const other = { ...newOrder(), messageId: order.messageId };
    await payments.charge(order);
    await payments.charge(other);
    await payments.charge(order);
    expect(await eventsOf(order)).toEqual(['payments.completed.v1']);
    expect(await eventsOf(other)).toEqual(['payments.completed.v1']);
  });

  it('of nothing are completed and refunded without the gateway', async () => {
    const free = { ...newOrder(0), orderId: 'o'.repeat(64) };
    gateway.fail = new Error('called');
    await payments.charge(free);
    await payments.cancel({ ...cancelled, orderId: free.orderId });
    expect(await eventsOf(free)).toEqual(['payments.completed.v1', 'payments.refunded.v1']);
  });

  it('that the gateway refuses fail their order', async () => {
    gateway.limit = 1;
    await payments.charge(order);
    expect(await stateOf(order)).toBe('declined');
    expect(await eventsOf(order)).toEqual(['payments.failed.v1']);
  });
});
