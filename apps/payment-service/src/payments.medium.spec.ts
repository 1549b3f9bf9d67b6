import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { newEvent } from '@slipstream/contracts';
import { register } from 'prom-client';
import { PaymentsScene, TIMEOUT_S } from '../test/payments-scene.js';
import { PaymentMetrics } from './payment-metrics.js';
import { AnswerLostError, GatewayUnavailableError } from './payment-gateway.js';

describe('payments', () => {
  const scene = new PaymentsScene();

  beforeAll(async () => {
    Logger.overrideLogger(false);
    await scene.open();
  });

  beforeEach(() => scene.set());

  afterAll(() => scene.close());

  describe('that stalled', () => {
    it('are charged under their own key, by one of several instances', async () => {
      scene.gateway.fail = new GatewayUnavailableError('down');
      await expect(scene.payments.charge(scene.order)).rejects.toBe(scene.gateway.fail);
      scene.gateway.fail = undefined;
      await scene.age();
      const counts = await Promise.all([scene.resumeStalled(), scene.newStalled().resumeBatch(100, 300_000)]);
      expect(counts.toSorted()).toEqual([0, 1]);
      expect(scene.gateway.keys).toEqual([scene.keyOf(scene.order), scene.keyOf(scene.order)]);
      expect(await scene.eventsOf(scene.order)).toEqual(['payments.completed.v1']);
    });

    it('are recorded without another charge when the lost call had charged', async () => {
      scene.gateway.lose = new AnswerLostError('cut off');
      await expect(scene.payments.charge(scene.order)).rejects.toBe(scene.gateway.lose);
      await scene.age();
      await scene.resumeStalled();
      expect(scene.gateway.keys).toHaveLength(1);
      expect(await scene.stateOf(scene.order)).toBe('succeeded');
    });

    it('go on, a few at a time, while other calls are throttled again and again', async () => {
      scene.gateway.fail = new GatewayUnavailableError('down');
      await expect(scene.payments.charge(scene.order)).rejects.toBe(scene.gateway.fail);
      scene.gateway.fail = undefined;
      await scene.age();
      const guard = scene.newGuard();
      const throttled = new GatewayUnavailableError('slow down', { notBeforeMs: 60_000 });
      await expect(guard.execute(() => Promise.reject(throttled))).rejects.toBe(throttled);
      await scene.newStalled(guard).resumeAll(300_000);
      expect(await scene.stateOf(scene.order)).toBe('succeeded');
    });

    it('are not charged when their order is cancelled', async () => {
      scene.gateway.fail = new GatewayUnavailableError('down');
      await expect(scene.payments.charge(scene.order)).rejects.toBe(scene.gateway.fail);
      await expect(scene.payments.cancel(scene.cancelled)).rejects.toBe(scene.gateway.fail);
      scene.gateway.fail = undefined;
      await scene.age();
      await scene.resumeStalled();
      expect(scene.gateway.keys).toHaveLength(1);
      expect(await scene.stateOf(scene.order)).toBe('void');
    });

    it('are refunded when their refund used up its attempts', async () => {
      await scene.payments.charge(scene.order);
      scene.gateway.lose = new AnswerLostError('cut off');
      await expect(scene.payments.cancel(scene.cancelled)).rejects.toBe(scene.gateway.lose);
      scene.gateway.lose = undefined;
      await scene.age();
      await scene.resumeStalled();
      expect(scene.gateway.refunded).toEqual([scene.keyOf(scene.order)]);
      expect(await scene.stateOf(scene.order)).toBe('refunded');
    });

    it('are counted by state, and the oldest tells its age', async () => {
      scene.gateway.fail = new GatewayUnavailableError('down');
      await expect(scene.payments.charge(scene.order)).rejects.toBe(scene.gateway.fail);
      await scene.dataSource.query(`UPDATE payments SET created_at = now() - interval '500 seconds'`);
      const metrics = new PaymentMetrics(scene.newRepository());
      await metrics.count();
      expect(await register.metrics()).toMatch(/payments_unsettled_oldest_age_seconds 50\d\./);
      expect(await register.metrics()).toContain('payments_unsettled{state="sent"} 1\n');
      scene.gateway.fail = undefined;
      await scene.age();
      await scene.resumeStalled();
      await metrics.count();
      expect(await register.metrics()).toContain('payments_unsettled{state="sent"} 0\n');
      expect(await register.metrics()).toContain('payments_unsettled_oldest_age_seconds 0\n');
    });

    it('are left alone while somebody may be at work on them', async () => {
      scene.gateway.fail = new GatewayUnavailableError('down');
      await expect(scene.payments.charge(scene.order)).rejects.toBe(scene.gateway.fail);
      expect(await scene.resumeStalled()).toBe(0);
      await scene.age();
      expect(await scene.resumeStalled()).toBe(1);
      expect(await scene.resumeStalled()).toBe(0);
    });
  });

  describe('of an order that is given up because it waited for too long', () => {
    const longAgo = () => new Date(Date.now() - TIMEOUT_S * 1_000);
    const makeOld = () =>
      scene.dataSource.query(`UPDATE payments SET created_at = now() - make_interval(secs => $1)`, [
        TIMEOUT_S,
      ]);

    it('are never made, and its cancellation has nothing to give back', async () => {
      await scene.payments.charge(scene.order, longAgo());
      await scene.payments.cancel(scene.cancelled);
      await scene.payments.charge(scene.order);
      expect(scene.gateway.keys).toEqual([]);
      expect(await scene.eventsOf(scene.order)).toEqual(['payments.failed.v1']);
      const [row] = await scene.dataSource.query('SELECT state, reason FROM payments');
      expect(row).toEqual({ state: 'declined', reason: 'not paid within 1800 s' });
    });

    it('are not made by who goes on with what an outage left behind', async () => {
      const guard = scene.newGuard();
      const away = scene.newPayments(scene.gateway, guard);
      jest.spyOn(guard, 'isOpen', 'get').mockReturnValue(true);
      await expect(away.charge(scene.order)).rejects.toThrow(GatewayUnavailableError);
      expect(await scene.stateOf(scene.order)).toBe('intent');
      await scene.age();
      await makeOld();
      await scene.resumeStalled();
      expect(scene.gateway.keys).toEqual([]);
      expect(await scene.eventsOf(scene.order)).toEqual(['payments.failed.v1']);
    });

    it.each([
      { when: 'did not reach the gateway', key: 'fail', events: ['payments.failed.v1'] },
      { when: 'had charged', key: 'lose', events: ['payments.completed.v1'] },
    ] as const)('are asked about and not made again when a lost call $when', async ({ key, events }) => {
      scene.gateway[key] = new AnswerLostError('cut off');
      await expect(scene.payments.charge(scene.order)).rejects.toBe(scene.gateway[key]);
      scene.gateway[key] = undefined;
      await scene.age();
      await makeOld();
      await scene.resumeStalled();
      expect(scene.gateway.keys).toHaveLength(1);
      expect(await scene.eventsOf(scene.order)).toEqual(events);
    });
  });

  it('whose key the provider may have forgotten are asked about and closed, never charged again', async () => {
    scene.gateway.fail = new GatewayUnavailableError('down');
    await expect(scene.payments.charge(scene.order)).rejects.toBe(scene.gateway.fail);
    scene.gateway.fail = undefined;
    scene.gateway.keyLifetimeMs = 60_000;
    await scene.dataSource.query(`UPDATE payments SET sent_at = now() - interval '61 seconds'`);
    await scene.payments.charge(scene.order);
    expect(scene.gateway.keys).toHaveLength(1);
    expect(scene.gateway.outcomes.get(scene.keyOf(scene.order))).toEqual({ status: 'voided' });
    expect(await scene.eventsOf(scene.order)).toEqual(['payments.failed.v1']);
  });

  it('keep the amount that came first when an order arrives twice with different ones', async () => {
    scene.gateway.fail = new GatewayUnavailableError('down');
    await expect(scene.payments.charge(scene.order)).rejects.toBe(scene.gateway.fail);
    scene.gateway.fail = undefined;
    await scene.payments.charge({ ...scene.order, ...newEvent(scene.order.orderId), totalMinor: 5 });
    const [row] = await scene.dataSource.query('SELECT amount_minor FROM payments');
    expect(row).toEqual({ amount_minor: 1_999 });
  });

  it('of many orders that arrive together, twice and cancelled among them, come to their ends in a few commits', async () => {
    const orders = Array.from({ length: 200 }, () => scene.newOrder());
    const commits = jest.spyOn(scene.dataSource, 'transaction');
    await Promise.all(
      orders.flatMap((each, index) => [
        scene.payments.charge(each),
        scene.payments.charge({ ...each, ...newEvent(each.orderId) }),
        ...(index % 4 === 0 ? [scene.payments.cancel({ ...newEvent(each.orderId), reason: 'test' })] : []),
      ]),
    );
    expect(commits.mock.calls.length).toBeLessThan(40);
    commits.mockRestore();
    const states = await scene.dataSource.query('SELECT state, count(*) FROM payments GROUP BY 1 ORDER BY 1');
    expect(states).toContainEqual({ state: 'succeeded', count: 150 });
    const charged = [...scene.gateway.outcomes.values()].filter(
      ({ status }) => status === 'succeeded',
    ).length;
    expect(charged - scene.gateway.refunded.length).toBe(150);
  });

  it('fail alone when what the provider says about one of many can be told in no event', async () => {
    const [odd, ...others] = Array.from({ length: 50 }, () => scene.newOrder());
    if (!odd) throw new Error('there is no order');
    scene.gateway.outcomes.set(scene.keyOf(odd), { status: 'succeeded', chargeId: 'no id of a charge' });
    const answers = await Promise.allSettled([odd, ...others].map((each) => scene.payments.charge(each)));
    expect(answers.filter(({ status }) => status === 'rejected')).toEqual([answers[0]]);
    expect(answers[0]).toMatchObject({ reason: { name: 'ContractError', path: 'charge_id' } });
    expect(await scene.stateOf(odd)).toBe('sent');
    const [{ count }] = await scene.dataSource.query(
      `SELECT count(*) FROM payments WHERE state = 'succeeded'`,
    );
    expect(count).toBe(others.length);
  });

  it('are recorded for each of two orders whose messages carry the same id', async () => {
    const other = { ...scene.newOrder(), messageId: scene.order.messageId };
    await scene.payments.charge(scene.order);
    await scene.payments.charge(other);
    await scene.payments.charge(scene.order);
    expect(await scene.eventsOf(scene.order)).toEqual(['payments.completed.v1']);
    expect(await scene.eventsOf(other)).toEqual(['payments.completed.v1']);
  });

  it('of nothing are completed and refunded without the gateway', async () => {
    const free = { ...scene.newOrder(0), orderId: 'o'.repeat(64) };
    scene.gateway.fail = new Error('called');
    await scene.payments.charge(free);
    await scene.payments.cancel({ ...scene.cancelled, orderId: free.orderId });
    expect(await scene.eventsOf(free)).toEqual(['payments.completed.v1', 'payments.refunded.v1']);
  });

  it('that the gateway refuses fail their order', async () => {
    scene.gateway.limit = 1;
    await scene.payments.charge(scene.order);
    expect(await scene.stateOf(scene.order)).toBe('declined');
    expect(await scene.eventsOf(scene.order)).toEqual(['payments.failed.v1']);
  });
});
