import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { register } from 'prom-client';
import { GatewayGuard } from './gateway-guard.js';
import { AnswerLostError, ChargePendingError, GatewayUnavailableError } from './payment-gateway.js';

const BREAKS = { firstMs: 50, longestMs: 100 };
const down = (wait = {}) => Promise.reject(new GatewayUnavailableError('down', wait));
const up = () => Promise.resolve('up');

describe('the guard of the gateway', () => {
  let guard: GatewayGuard;
  let heard: string[];
  /** Moved by hand: no break ends before the test lets it. */
  let now: number;

  const endBreak = () => {
    now += guard.remainingMs;
  };
  const fail = async (times: number, call: () => Promise<unknown> = down) => {
    for (let time = 0; time < times; time++) await guard.execute(call).catch(() => undefined);
  };

  beforeEach(() => {
    now = Date.now();
    jest.spyOn(Date, 'now').mockImplementation(() => now);
    guard = new GatewayGuard(BREAKS);
    heard = [];
    guard.onOpen(() => heard.push('open'));
    guard.onClose(() => heard.push('close'));
  });

  afterEach(() => {
    jest.restoreAllMocks();
  });

  it('tells how calls ended and whether the gateway counts as well', async () => {
    register.resetMetrics();
    guard = new GatewayGuard(BREAKS);
    const metrics = async () => (await register.metrics()).match(/^payment_gateway_(up|.*_count).*$/gm);
    await guard.execute(up);
    await fail(1, () => Promise.reject(new AnswerLostError('cut off')));
    await fail(1, () => Promise.reject(new ChargePendingError('in flight')));
    const count = (outcome: string, calls: number) =>
      `payment_gateway_call_duration_seconds_count{outcome="${outcome}"} ${calls}`;
    expect(await metrics()).toEqual(
      expect.arrayContaining([
        'payment_gateway_up 1',
        count('answered', 1),
        count('lost', 1),
        count('failed', 1),
      ]),
    );
    await fail(10);
    expect(await metrics()).toEqual(
      expect.arrayContaining(['payment_gateway_up 0', expect.stringContaining('outcome="unavailable"')]),
    );
    endBreak();
    for (let call = 0; call < GatewayGuard.trialCalls; call++) await guard.execute(up);
    expect(await metrics()).toContain('payment_gateway_up 1');
  });

  it('lets nothing through once most calls failed, and says when to come back', async () => {
    await fail(10);
    expect(heard).toEqual(['open']);
    let isCalled = false;
    const error = await guard
      .execute(() => {
        isCalled = true;
        return up();
      })
      .catch((thrown: unknown) => thrown);
    expect(isCalled).toBe(false);
    expect(error).toBeInstanceOf(GatewayUnavailableError);
    expect((error as GatewayUnavailableError).notBeforeMs).toBeGreaterThan(0);
    expect(() => guard.assertClosed()).toThrow(GatewayUnavailableError);
  });

  it('counts lost answers, and neither keys in use nor errors of our own', async () => {
    await fail(30, () => Promise.reject(new ChargePendingError('in flight')));
    await fail(30, () => Promise.reject(new TypeError('a bug')));
    expect(guard.isClosed).toBe(true);
    await fail(10, () => Promise.reject(new AnswerLostError('cut off')));
    expect(guard.isOpen).toBe(true);
  });

  it('bears a gateway of which half the calls fail', async () => {
    for (let pair = 0; pair < 100; pair++) {
      await fail(1, up);
      await fail(1);
    }
    expect(guard.isClosed).toBe(true);
  });

  it('closes after a few calls came through', async () => {
    await fail(10);
    endBreak();
    for (let call = 0; call < GatewayGuard.trialCalls; call++) {
      expect(guard.isClosed).toBe(false);
      await guard.execute(up);
    }
    expect(guard.isClosed).toBe(true);
    expect(heard).toEqual(['open', 'close']);
  });

  it('meets a gateway that is back with a handful of calls, however many it took before and however many wait', async () => {
    for (let call = 0; call < 300; call++) await guard.execute(up);
    await fail(50);
    endBreak();
    for (let call = 0; call < GatewayGuard.trialCalls; call++) await guard.execute(up);
    const { promise: answer, resolve } = Promise.withResolvers<void>();
    let started = 0;
    const calls = Array.from({ length: 500 }, () =>
      guard.execute(() => {
        started++;
        return answer;
      }),
    );
    expect(started).toBeLessThanOrEqual(16);
    resolve();
    // In the end each has its turn.
    await Promise.all(calls);
    expect(started).toBe(500);
  });

  it('opens again when the trial fails, for twice as long, up to a bound', async () => {
    await fail(10);
    for (const expectedMs of [100, 100]) {
      endBreak();
      await fail(GatewayGuard.trialCalls);
      expect(guard.isOpen).toBe(true);
      expect(guard.remainingMs).toBe(expectedMs);
    }
    expect(heard).toEqual(['open', 'open', 'open']);
  });

  it('never breaks for a shorter time than the gateway asked for', async () => {
    await fail(1, () => down({ notBeforeMs: 7_000 }));
    expect(guard.isAskedToWait).toBe(true);
    await fail(9);
    expect(guard.remainingMs).toBeGreaterThan(6_000);
    const error = await guard.execute(up).catch((thrown: unknown) => thrown);
    expect((error as GatewayUnavailableError).notBeforeMs).toBeGreaterThan(6_000);
  });
});
