import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import { PermissionViolationError } from '@nats-io/transport-node';
import type { ConsumerLiveness, ConsumerPosition } from '../observer.js';
import { ProgressWatch, type WatchedLoop } from './progress-watch.js';
import type { ConsumerPlan } from './routes.js';

const position = (over: Partial<ConsumerPosition> = {}): ConsumerPosition => ({
  stream: 'ORDERS',
  consumer: 'payment-orders',
  pending: 5,
  ackPending: 0,
  redelivered: 0,
  deliveredThrough: 10,
  settledThrough: 10,
  deliveries: 10,
  settledDeliveries: 10,
  isPaused: false,
  ...over,
});

function loopOf(timeoutMs: number, state: () => ConsumerLiveness['state']): WatchedLoop {
  const options = { durable: 'payment-orders', timeoutMs };
  const plan = { stream: { name: 'ORDERS' }, options } as ConsumerPlan;
  return {
    plan,
    consumers: [{ plan, consumerName: 'payment-orders' }],
    get liveness() {
      return { stream: 'ORDERS', consumer: 'payment-orders', state: state(), silentMs: 0, held: 0 };
    },
  };
}

describe('the watch over consumers', () => {
  let now: number;
  let state: ConsumerLiveness['state'];
  let answer: () => Promise<ConsumerPosition[]>;
  let loop: WatchedLoop;
  let watch: ProgressWatch;

  const look = async (atMs: number, over: Partial<ConsumerPosition> = {}) => {
    now = atMs;
    answer = async () => [position(over)];
    await watch.look();
    return watch.judge(loop);
  };

  beforeEach(() => {
    state = 'running';
    loop = loopOf(20_000, () => state);
    watch = new ProgressWatch(
      () => [loop],
      () => answer(),
      () => now,
    );
  });

  it('calls a consumer stalled, within 30 s, that does not move while messages wait for it', async () => {
    expect(await look(0)).toMatchObject({ state: 'running', stuckMs: 0, pending: 5 });
    expect(await look(24_000)).toMatchObject({ state: 'running', stuckMs: 24_000 });
    expect(await look(26_000)).toMatchObject({ state: 'stalled', stuckMs: 26_000, pending: 5 });
  });

  it('lets handlers run for as long as they may before it says so', async () => {
    loop = loopOf(60_000, () => state);
    await look(0);
    expect(await look(64_000)).toMatchObject({ state: 'running' });
    expect(await look(66_000)).toMatchObject({ state: 'stalled' });
  });

  it.each([
    ['something is delivered', { deliveries: 11 }],
    ['something is settled', { settledDeliveries: 9 }],
    ['nothing waits any more', { pending: 0 }],
    ['an operator has paused it', { isPaused: true }],
  ])('finds it well again when %s', async (_, over) => {
    await look(0);
    expect(await look(40_000)).toMatchObject({ state: 'stalled' });
    expect(await look(41_000, over)).toMatchObject({ state: 'running', stuckMs: 0 });
  });

  it('leaves a loop alone that this process has paused, tells its backlog, and starts afresh when it goes on', async () => {
    state = 'paused';
    await look(0);
    expect(await look(60_000)).toMatchObject({ state: 'paused', stuckMs: 0, pending: 5 });
    state = 'running';
    expect(await look(61_000)).toMatchObject({ state: 'running', stuckMs: 1_000 });
  });

  it('is stopped by the first answer that it may not ask', async () => {
    jest.useFakeTimers();
    try {
      const violation = new PermissionViolationError(
        'no',
        'publish',
        '$JS.API.CONSUMER.INFO.ORDERS.payment-orders',
      );
      const ask = jest.fn(() => Promise.reject(violation));
      answer = ask;
      watch.start();
      await jest.advanceTimersByTimeAsync(60_000);
      expect(ask).toHaveBeenCalledTimes(1);
    } finally {
      jest.useRealTimers();
    }
  });

  it('accuses nobody while the server does not answer', async () => {
    await look(0);
    now = 60_000;
    answer = () => Promise.reject(new Error('timeout'));
    await watch.look();
    expect(watch.judge(loop)).toMatchObject({ state: 'running', stuckMs: 0, pending: 0 });
  });
});
