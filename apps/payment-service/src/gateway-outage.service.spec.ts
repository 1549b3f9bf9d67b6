import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { JetStreamServer } from '@slipstream/jetstream';
import { waitFor } from '@slipstream/testing';
import { GatewayGuard } from './gateway-guard.js';
import { GatewayOutageService } from './gateway-outage.service.js';
import { AnswerLostError, GatewayUnavailableError } from './payment-gateway.js';
import type { StalledPaymentsService } from './stalled-payments.service.js';

const BREAK_MS = 20;

describe('the end of an outage', () => {
  let guard: GatewayGuard;
  let outage: GatewayOutageService;
  let isDown: boolean;
  let onResume: () => void;
  let resumeBatch: () => Promise<number>;
  let resumeAll: () => Promise<void>;

  const answer = () =>
    isDown ? Promise.reject(new GatewayUnavailableError('down')) : Promise.resolve('paid');
  /** @returns whether the call came through */
  const call = (request: () => Promise<unknown> = answer) =>
    guard.execute(request).then(
      () => true,
      () => false,
    );

  beforeEach(async () => {
    guard = new GatewayGuard({ firstMs: BREAK_MS, longestMs: BREAK_MS });
    [isDown, onResume] = [true, () => undefined];
    resumeBatch = () => Promise.resolve(0);
    resumeAll = () => Promise.resolve();
    const stalled: Pick<StalledPaymentsService, 'resumeAll' | 'resumeBatch'> = {
      resumeAll: () => resumeAll(),
      resumeBatch: () => resumeBatch(),
    };
    const server: Pick<JetStreamServer, 'pause' | 'resume'> = {
      pause: () => Promise.resolve(),
      resume: () => Promise.resolve(onResume()),
    };
    outage = new GatewayOutageService(guard, stalled as StalledPaymentsService, server as JetStreamServer);
    outage.onApplicationBootstrap();
  });

  afterEach(async () => {
    await outage.beforeApplicationShutdown();
    jest.restoreAllMocks();
  });

  async function breakDown(): Promise<void> {
    for (let index = 0; index < 20; index++) await call();
  }

  it('brings the one payment that was left behind to its end, without any new order', async () => {
    let isPaid = false;
    let trials = 0;
    resumeAll = async () => {
      isPaid ||= await call();
    };
    resumeBatch = async () => {
      if (isPaid) return 0;
      // Down at the first trial, which is too small to open the breaker anew.
      if (++trials > 1) isDown = false;
      isPaid = await call();
      return 1;
    };
    await breakDown();
    await waitFor('the payment', () => isPaid);
    expect(trials).toBeGreaterThan(1);
  });

  it.each([2, 3, 4])(
    'comes for new orders though %i payments left behind fail by themselves',
    async (count) => {
      const fail = () => call(() => Promise.reject(new AnswerLostError('this one only')));
      resumeBatch = async () => {
        await Promise.all(Array.from({ length: count }, fail));
        return count;
      };
      const takeOrders = async () => {
        while (!guard.isClosed && (await call()));
      };
      onResume = () => void takeOrders();
      await breakDown();
      isDown = false;
      await waitFor('the end', () => guard.isClosed);
    },
  );

  it('comes although the clock was set back meanwhile', async () => {
    const now = Date.now.bind(Date);
    await breakDown();
    jest.spyOn(Date, 'now').mockImplementation(() => now() - 3 * BREAK_MS);
    let isResumed = false;
    onResume = () => {
      isResumed = true;
    };
    await waitFor('new orders', () => isResumed);
  });
});
