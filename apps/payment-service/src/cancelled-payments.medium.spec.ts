import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { waitFor } from '@slipstream/testing';
import { register } from 'prom-client';
import { FakeGateway, PaymentsScene } from '../test/payments-scene.js';
import { PaymentMetrics } from './payment-metrics.js';
import { AnswerLostError, ChargePendingError, GatewayUnavailableError } from './payment-gateway.js';

describe('payments of an order that is cancelled', () => {
  const scene = new PaymentsScene();

  beforeAll(async () => {
    Logger.overrideLogger(false);
    await scene.open();
  });

  beforeEach(() => scene.set());

  afterAll(() => scene.close());

  it('are refunded once when they were charged', async () => {
    await scene.payments.charge(scene.order);
    await scene.payments.cancel(scene.cancelled);
    await scene.payments.cancel(scene.cancelled);
    await scene.payments.charge(scene.order);
    expect(scene.gateway.refunded).toEqual([scene.keyOf(scene.order)]);
    expect(await scene.eventsOf(scene.order)).toEqual(['payments.completed.v1', 'payments.refunded.v1']);
  });

  it('are never charged when the cancellation comes first', async () => {
    await scene.payments.cancel(scene.cancelled);
    await scene.payments.charge(scene.order);
    expect(scene.gateway.keys).toEqual([]);
    expect(await scene.stateOf(scene.order)).toBe('void');
  });

  it('are refunded although the database was set back and the cancellation comes first', async () => {
    await scene.payments.charge(scene.order);
    await scene.dataSource.query('TRUNCATE payments, outbox');
    await scene.payments.cancel(scene.cancelled);
    expect(await scene.stateOf(scene.order)).toBe('void');
    await scene.payments.chargeAgain(scene.order);
    expect(scene.gateway.refunded).toEqual([scene.keyOf(scene.order)]);
    expect(await scene.eventsOf(scene.order)).toEqual(['payments.completed.v1', 'payments.refunded.v1']);
    expect(await scene.dataSource.query('SELECT state, amount_minor, currency FROM payments')).toEqual([
      { state: 'refunded', amount_minor: scene.order.totalMinor, currency: scene.order.currency },
    ]);
  });

  it('are not charged once the gateway is back', async () => {
    scene.gateway.fail = new GatewayUnavailableError('down');
    await expect(scene.payments.charge(scene.order)).rejects.toBe(scene.gateway.fail);
    await expect(scene.payments.cancel(scene.cancelled)).rejects.toBe(scene.gateway.fail);
    await expect(scene.payments.charge(scene.order)).rejects.toBe(scene.gateway.fail);
    expect(await scene.stateOf(scene.order)).toBe('cancelling');
    scene.gateway.fail = undefined;
    await scene.payments.charge(scene.order);
    expect(scene.gateway.keys).toHaveLength(1);
    expect(await scene.stateOf(scene.order)).toBe('void');
    expect(await scene.eventsOf(scene.order)).toEqual([]);
  });

  it('are refunded once when the call whose answer was lost had charged', async () => {
    scene.gateway.lose = new AnswerLostError('cut off');
    await expect(scene.payments.charge(scene.order)).rejects.toBe(scene.gateway.lose);
    scene.gateway.lose = undefined;
    await scene.payments.cancel(scene.cancelled);
    await scene.payments.charge(scene.order);
    await scene.payments.charge(scene.order);
    expect(scene.gateway.keys).toHaveLength(1);
    expect(scene.gateway.refunded).toEqual([scene.keyOf(scene.order)]);
    expect(await scene.stateOf(scene.order)).toBe('refunded');
    expect(await scene.eventsOf(scene.order)).toEqual(['payments.completed.v1', 'payments.refunded.v1']);
  });

  it('are refunded by the delivery whose charge was under way', async () => {
    const { promise, resolve: open } = Promise.withResolvers<void>();
    scene.gateway.gate = promise;
    scene.gateway.close = () => Promise.reject(new ChargePendingError('in flight'));
    const charging = scene.payments.charge(scene.order);
    await waitFor('the call', () => scene.gateway.keys.length === 1);
    await expect(scene.payments.cancel(scene.cancelled)).rejects.toThrow('in flight');
    open();
    await charging;
    expect(await scene.stateOf(scene.order)).toBe('refunded');
    expect(await scene.eventsOf(scene.order)).toEqual(['payments.completed.v1', 'payments.refunded.v1']);
  });

  it('are never charged by a call that is still travelling when its process is dead', async () => {
    const { promise, resolve: arrive } = Promise.withResolvers<void>();
    const { promise: arrived, resolve: end } = Promise.withResolvers<unknown>();
    const dying = new FakeGateway();
    // The process dies now, its call arrives later.
    dying.charge = (request) => {
      scene.gateway.keys.push(request.key);
      void promise.then(() => scene.gateway.charge(request)).then(end);
      return new Promise<never>(() => undefined);
    };
    void scene.newDying(dying).charge(scene.order);
    await waitFor('the call', () => scene.gateway.keys.length === 1);
    await scene.payments.cancel(scene.cancelled);
    await scene.payments.charge(scene.order);
    expect(await scene.stateOf(scene.order)).toBe('void');
    arrive();
    expect(await arrived).toEqual({ status: 'voided' });
    expect(await scene.eventsOf(scene.order)).toEqual([]);
  });

  it('are refunded when the call of a process that died had arrived', async () => {
    const dying = new FakeGateway();
    dying.charge = async (request) => {
      await scene.gateway.charge(request);
      return new Promise<never>(() => undefined);
    };
    void scene.newDying(dying).charge(scene.order);
    await waitFor('the call', () => scene.gateway.outcomes.size === 1);
    await scene.payments.cancel(scene.cancelled);
    expect(scene.gateway.refunded).toEqual([scene.keyOf(scene.order)]);
    expect(await scene.eventsOf(scene.order)).toEqual(['payments.completed.v1', 'payments.refunded.v1']);
  });

  it('are left to somebody when the provider refuses the refund', async () => {
    scene.gateway.refusesRefunds = true;
    await scene.payments.charge(scene.order);
    await scene.payments.cancel(scene.cancelled);
    expect(await scene.stateOf(scene.order)).toBe('refund_declined');
    expect(await scene.eventsOf(scene.order)).toEqual(['payments.completed.v1']);
  });

  it('raise an alarm when the provider refuses the refund', async () => {
    const alarmed = jest.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
    scene.gateway.refusesRefunds = true;
    await scene.payments.charge(scene.order);
    await scene.payments.cancel(scene.cancelled);
    const { orderId } = scene.order;
    const reason = 'account closed';
    expect(alarmed.mock.calls).toEqual([
      [{ orderId, amountMinor: 1999, currency: 'EUR', reason }, expect.stringContaining('refund declined')],
    ]);
    alarmed.mockRestore();
    const declined = new PaymentMetrics(scene.newRepository());
    await declined.count();
    expect(await register.metrics()).toContain('payments_refund_declined 1\n');
    await scene.dataSource.query(`UPDATE payments SET state = 'refunded'`);
    await declined.count();
    expect(await register.metrics()).toContain('payments_refund_declined 0\n');
  });

  it('are refunded by the redelivered order after their refund failed', async () => {
    const { promise, resolve: open } = Promise.withResolvers<void>();
    scene.gateway.gate = promise;
    scene.gateway.close = () => Promise.reject(new ChargePendingError('in flight'));
    const charging = scene.payments.charge(scene.order);
    await waitFor('the call', () => scene.gateway.keys.length === 1);
    await expect(scene.payments.cancel(scene.cancelled)).rejects.toThrow('in flight');
    const failing = new GatewayUnavailableError('throttled');
    scene.gateway.refund = () => Promise.reject(failing);
    open();
    await expect(charging).rejects.toBe(failing);
    expect(await scene.stateOf(scene.order)).toBe('refund_sent');
    Reflect.deleteProperty(scene.gateway, 'refund');
    await scene.payments.charge(scene.order);
    expect(await scene.stateOf(scene.order)).toBe('refunded');
    expect(await scene.eventsOf(scene.order)).toEqual(['payments.completed.v1', 'payments.refunded.v1']);
  });
});
