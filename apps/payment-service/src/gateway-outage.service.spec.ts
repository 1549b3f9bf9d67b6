import { expect, it } from '@jest/globals';
import type { JetStreamServer } from '@slipstream/jetstream';
import { waitFor } from '@slipstream/testing';
import { GatewayGuard } from './gateway-guard.js';
import { GatewayOutageService } from './gateway-outage.service.js';
import { GatewayUnavailableError } from './payment-gateway.js';
import type { StalledPaymentsService } from './stalled-payments.service.js';

it('brings the one payment an outage left behind to its end, without any new order', async () => {
  const guard = new GatewayGuard({ firstMs: 20, longestMs: 20 });
  let isDown = true;
  let isPaid = false;
  const call = () =>
    guard
      .execute(() => (isDown ? Promise.reject(new GatewayUnavailableError('down')) : Promise.resolve()))
      .then(() => (isPaid = true))
      .catch(() => undefined);
  let trials = 0;
  const stalled: Pick<StalledPaymentsService, 'resumeAll' | 'resumeBatch'> = {
    resumeAll: async () => void (await call()),
    resumeBatch: async () => {
      if (isPaid) return 0;
      // Down at the first trial, which is too small to open the breaker anew.
      if (++trials > 1) isDown = false;
      await call();
      return 1;
    },
  };
  const server: Pick<JetStreamServer, 'pause' | 'resume'> = {
    pause: () => Promise.resolve(),
    resume: () => Promise.resolve(),
  };
  const outage = new GatewayOutageService(
    guard,
    stalled as StalledPaymentsService,
    server as JetStreamServer,
  );
  outage.onApplicationBootstrap();
  for (let index = 0; index < 20; index++) await call();
  await waitFor('the payment', () => isPaid);
  expect(trials).toBeGreaterThan(1);
  await outage.beforeApplicationShutdown();
});
