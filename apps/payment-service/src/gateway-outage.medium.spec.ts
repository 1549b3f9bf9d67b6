import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { newEvent, type OrderCreated } from '@slipstream/contracts';
import type { JetStreamServer } from '@slipstream/jetstream';
import { waitFor } from '@slipstream/testing';
import { FakeGateway, PaymentsScene } from '../test/payments-scene.js';
import { GatewayGuard } from './gateway-guard.js';
import { GatewayOutageService } from './gateway-outage.service.js';
import { GatewayUnavailableError, type RefundResult } from './payment-gateway.js';
import { StalledPaymentsService } from './stalled-payments.service.js';

/** Charges, and has lost the ledger it would need for refunds. */
class ForgetfulGateway extends FakeGateway {
  override refund(): Promise<RefundResult> {
    return Promise.reject(new GatewayUnavailableError('404'));
  }
}

const scene = new PaymentsScene();

beforeAll(async () => {
  Logger.overrideLogger(false);
  await scene.open();
});

beforeEach(() => scene.set());

afterAll(() => scene.close());

it('lets orders in after an outage although every payment that is left over fails by itself', async () => {
  const gateway = new ForgetfulGateway();
  const guard = new GatewayGuard({ firstMs: 200, longestMs: 200 });
  const payments = scene.newPayments(gateway, guard);
  const waiting = Array.from({ length: 40 }, () => scene.newOrder());
  const deliver = async (order: OrderCreated) => {
    await payments.charge(order).catch(() => waiting.push(order));
  };
  let isPaused = false;
  const server: Pick<JetStreamServer, 'pause' | 'resume'> = {
    pause: async () => void (isPaused = true),
    resume: async () => {
      isPaused = false;
      for (const order of waiting.splice(0)) void deliver(order);
    },
  };
  const stalled = new StalledPaymentsService(scene.newRepository(), payments, guard);
  const outage = new GatewayOutageService(guard, stalled, server as JetStreamServer);
  outage.onApplicationBootstrap();

  const cancelled = Array.from({ length: 12 }, () => scene.newOrder());
  await Promise.all(cancelled.map((order) => payments.charge(order)));
  gateway.fail = new GatewayUnavailableError('down');
  for (const order of [...cancelled, ...cancelled, ...cancelled, ...cancelled]) {
    await payments.cancel({ ...newEvent(order.orderId), reason: 'test' }).catch(() => undefined);
  }
  await waitFor('the orders to be kept away', () => isPaused);
  gateway.fail = undefined;

  await waitFor('the payments of all new orders', () => gateway.outcomes.size === 52);
  expect(waiting).toEqual([]);
  await outage.beforeApplicationShutdown();
  await stalled.beforeApplicationShutdown();
});
