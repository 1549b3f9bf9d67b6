import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { newEvent, type OrderCancelled, type OrderCreated } from '@slipstream/contracts';
import { Outbox, outboxMigrations } from '@slipstream/outbox';
import { createTestDatabase, uniqueName, waitFor, type TestDatabase } from '@slipstream/testing';
import { DataSource } from 'typeorm';
import { CreatePayments1763700000002 } from './migrations/create-payments.js';
import {
  ChargeUnknownError,
  GatewayUnavailableError,
  PaymentGateway,
  type ChargeRequest,
  type ChargeResult,
} from './payment-gateway.js';
import { PaymentsRepository } from './payments.repository.js';
import { PaymentsService } from './payments.service.js';
import { StalledPaymentsService } from './stalled-payments.service.js';

/** Charges and refunds once for each key; `fail` is thrown before, `lose` after the effect. */
class FakeGateway extends PaymentGateway {
  readonly charged = new Map<string, ChargeResult>();
  readonly refunded: string[] = [];
  readonly keys: string[] = [];
  fail: Error | undefined;
  lose: Error | undefined;
  gate: Promise<void> | undefined;
  limit = Infinity;

  async charge({ key, amountMinor }: ChargeRequest): Promise<ChargeResult> {
    this.keys.push(key);
    await this.gate;
    if (this.fail) throw this.fail;
    if (amountMinor > this.limit) return { status: 'declined', reason: 'too much' };
    const result = this.charged.get(key) ?? { status: 'succeeded' as const, chargeId: uniqueName('ch') };
    this.charged.set(key, result);
    if (this.lose) throw this.lose;
    return result;
  }

  find(key: string): Promise<ChargeResult | undefined> {
    return this.fail ? Promise.reject(this.fail) : Promise.resolve(this.charged.get(key));
  }

  refund(key: string): Promise<void> {
    if (this.fail) return Promise.reject(this.fail);
    if (!this.refunded.includes(key)) this.refunded.push(key);
    return this.lose ? Promise.reject(this.lose) : Promise.resolve();
  }
}

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
  const newStalled = () => {
    const repository = new PaymentsRepository(dataSource);
    return new StalledPaymentsService(repository, payments);
  };

  beforeAll(async () => {
    Logger.overrideLogger(false);
    database = await createTestDatabase();
    dataSource = await new DataSource({
      type: 'postgres',
      url: database.url,
      parseInt8: true,
      migrations: [...outboxMigrations, CreatePayments1763700000002],
      migrationsRun: true,
    }).initialize();
  });

  beforeEach(async () => {
    await dataSource.query('TRUNCATE payments, outbox');
    gateway = new FakeGateway();
    payments = new PaymentsService(dataSource, new PaymentsRepository(dataSource), gateway, new Outbox());
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
      await payments.cancel(cancelled);
      await expect(payments.charge(order)).rejects.toBe(gateway.fail);
      gateway.fail = undefined;
      await payments.charge(order);
      expect(gateway.keys).toHaveLength(1);
      expect(gateway.charged.size).toBe(0);
      expect(await stateOf(order)).toBe('void');
      expect(await eventsOf(order)).toEqual([]);
    });

    it('are refunded once when the call whose answer was lost had charged', async () => {
      gateway.lose = new ChargeUnknownError('cut off');
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
      const charging = payments.charge(order);
      await waitFor('the call', () => gateway.keys.length === 1);
      await payments.cancel(cancelled);
      open();
      await charging;
      expect(await stateOf(order)).toBe('refunded');
      expect(await eventsOf(order)).toEqual(['payments.completed.v1', 'payments.refunded.v1']);
    });

    it('are refunded although a parallel delivery did not see the charge that was on its way', async () => {
      const { promise, resolve: open } = Promise.withResolvers<void>();
      gateway.gate = promise;
      const charging = payments.charge(order);
      await waitFor('the call', () => gateway.keys.length === 1);
      await payments.cancel(cancelled);
      await payments.charge(order);
      expect(await stateOf(order)).toBe('void');
      open();
      await charging;
      expect(await stateOf(order)).toBe('refunded');
      expect(gateway.refunded).toEqual([keyOf(order)]);
    });

    it('are refunded by the redelivered order after their refund failed', async () => {
      const { promise, resolve: open } = Promise.withResolvers<void>();
      gateway.gate = promise;
      const charging = payments.charge(order);
      await waitFor('the call', () => gateway.keys.length === 1);
      await payments.cancel(cancelled);
      const failing = new GatewayUnavailableError('throttled');
      gateway.refund = () => Promise.reject(failing);
      open();
      await expect(charging).rejects.toBe(failing);
      expect(await stateOf(order)).toBe('refunding');
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
      const counts = await Promise.all([stalled.resumeBatch(), newStalled().resumeBatch()]);
      expect(counts.toSorted()).toEqual([0, 1]);
      expect(gateway.keys).toEqual([keyOf(order), keyOf(order)]);
      expect(await eventsOf(order)).toEqual(['payments.completed.v1']);
    });

    it('are recorded without another charge when the lost call had charged', async () => {
      gateway.lose = new ChargeUnknownError('cut off');
      await expect(payments.charge(order)).rejects.toBe(gateway.lose);
      await age();
      await stalled.resumeBatch();
      expect(gateway.keys).toHaveLength(1);
      expect(await stateOf(order)).toBe('succeeded');
    });

    it('are not charged when their order is cancelled', async () => {
      gateway.fail = new GatewayUnavailableError('down');
      await expect(payments.charge(order)).rejects.toBe(gateway.fail);
      await payments.cancel(cancelled);
      gateway.fail = undefined;
      await age();
      await stalled.resumeBatch();
      expect(gateway.charged.size).toBe(0);
      expect(await stateOf(order)).toBe('void');
    });

    it('are refunded when their refund used up its attempts', async () => {
      await payments.charge(order);
      gateway.lose = new ChargeUnknownError('cut off');
      await expect(payments.cancel(cancelled)).rejects.toBe(gateway.lose);
      gateway.lose = undefined;
      await age();
      await stalled.resumeBatch();
      expect(gateway.refunded).toEqual([keyOf(order)]);
      expect(await stateOf(order)).toBe('refunded');
    });

    it('are left alone while somebody may be at work on them', async () => {
      gateway.fail = new GatewayUnavailableError('down');
      await expect(payments.charge(order)).rejects.toBe(gateway.fail);
      expect(await stalled.resumeBatch()).toBe(0);
      await age();
      expect(await stalled.resumeBatch()).toBe(1);
      expect(await stalled.resumeBatch()).toBe(0);
    });
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
