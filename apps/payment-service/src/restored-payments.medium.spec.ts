import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import type { JetStreamContext } from '@slipstream/jetstream';
import { PaymentsScene, TIMEOUT_S } from '../test/payments-scene.js';
import { declaration } from './declaration.js';
import { ChargePendingError } from './payment-gateway.js';
import { PaymentsController } from './payments.controller.js';

const MINUTE_MS = 60_000;
const LAST = { isRedrive: true, attempt: 14, messageId: 'm-1' } as JetStreamContext;

describe('payments that the database has forgotten', () => {
  const scene = new PaymentsScene();
  const forget = () => scene.dataSource.query('TRUNCATE payments, outbox');
  const makeOld = () =>
    scene.dataSource.query(
      `UPDATE payments SET created_at = now() - make_interval(secs => $1), updated_at = now() - make_interval(secs => $1)`,
      [TIMEOUT_S],
    );
  /** The bank has not decided. */
  const decidesLater = () => {
    const find = jest.spyOn(scene.gateway, 'find').mockRejectedValue(new ChargePendingError('processing'));
    return () => find.mockRestore();
  };

  beforeAll(async () => {
    Logger.overrideLogger(false);
    await scene.open();
  });

  beforeEach(() => scene.set());

  afterAll(() => scene.close());

  it('are not made again when the outbox publishes as new what is older than the key', async () => {
    scene.gateway.keyLifetimeMs = MINUTE_MS;
    const order = { ...scene.order, createdAt: Date.now() - 2 * MINUTE_MS };
    await scene.payments.chargeAgain(order);
    await forget();
    await scene.payments.charge(order, new Date());
    expect(scene.gateway.keys).toHaveLength(1);
    expect(await scene.stateOf(order)).toBe('succeeded');
  });

  it('are asked about by the key for as long as it may have been used, not only since this database knows of it', async () => {
    scene.gateway.keyLifetimeMs = MINUTE_MS;
    const order = { ...scene.order, createdAt: Date.now() - MINUTE_MS / 2 };
    await scene.payments.charge(order);
    const [{ sent_at: sentAt }] = await scene.dataSource.query('SELECT sent_at FROM payments');
    expect(sentAt.getTime()).toBe(order.createdAt);
  });

  it('are noted as asked about by their key before it is used', async () => {
    const notedAt: (Date | null)[] = [];
    jest.spyOn(scene.gateway, 'find').mockImplementation(async () => {
      const [row] = await scene.dataSource.query('SELECT sent_at FROM payments');
      notedAt.push(row.sent_at);
      return undefined;
    });
    await scene.payments.chargeAgain(scene.order);
    expect(notedAt).toEqual([null, expect.any(Date)]);
    expect(scene.gateway.keys).toHaveLength(1);
  });

  it('are refunded when the bank decides after the order has timed out and is cancelled', async () => {
    await scene.payments.charge(scene.order);
    await forget();
    const decide = decidesLater();
    await expect(scene.payments.chargeAgain(scene.order)).rejects.toThrow('processing');
    await makeOld();
    await scene.resumeStalled();
    decide();
    await scene.payments.cancel(scene.cancelled);
    expect(scene.gateway.refunded).toEqual([scene.keyOf(scene.order)]);
    expect(await scene.eventsOf(scene.order)).toEqual(['payments.completed.v1', 'payments.refunded.v1']);
  });

  it('stay the task of the message that asks about them when their order was cancelled first', async () => {
    await scene.payments.charge(scene.order);
    await forget();
    await scene.payments.cancel(scene.cancelled);
    const decide = decidesLater();
    const controller = new PaymentsController(scene.payments);
    await expect(controller.onOrderCreated(scene.order, LAST)).rejects.toThrow('processing');
    decide();
    await controller.onOrderCreated(scene.order, LAST);
    expect(await scene.stateOf(scene.order)).toBe('refunded');
  });

  it('go on without their message when it has used up its attempts', async () => {
    const decide = decidesLater();
    await new PaymentsController(scene.payments).onOrderCreated(scene.order, LAST);
    decide();
    await scene.age();
    await scene.resumeStalled();
    expect(await scene.stateOf(scene.order)).toBe('succeeded');
  });

  it('count as missing while only their cancellation came', async () => {
    const known = (keys: readonly string[]) =>
      scene.dataSource.query(declaration.ledgers['payment-orders'].query, [keys]);
    const { orderId } = scene.order;
    await scene.payments.cancel(scene.cancelled);
    expect(await known([`+${orderId}`, `-${orderId}`])).toEqual([{ key: `-${orderId}` }]);
    await scene.payments.charge(scene.order);
    expect(await known([`+${orderId}`])).toEqual([{ key: `+${orderId}` }]);
  });
});
