import { describe, expect, it } from '@jest/globals';
import type { ConsumerOverview, History, Overview, Series } from '../../src/api.js';
import { sumUp, toRows, type Condition } from './condition.js';

const NOW_S = 1_800_000_000;
const INTERVAL_S = 5;
const LONG_AGO = new Date((NOW_S - 3_600) * 1_000).toISOString();

const consumer = (facts: Partial<ConsumerOverview> = {}): ConsumerOverview => ({
  stream: 'ORDERS',
  name: 'payment-orders',
  filters: [],
  lag: 0,
  ackPending: 0,
  redelivered: 0,
  ackFloor: 100,
  settled: 100,
  deliveries: 100,
  lastDeliveredAt: LONG_AGO,
  pausedUntil: null,
  ...facts,
});

interface Past {
  /** Seconds that samples reach back. */
  readonly span?: number;
  readonly lag?: (ago: number) => number | null;
  readonly settled?: (ago: number) => number | null;
  readonly delivered?: (ago: number) => number | null;
  /** Whether there is a sample of so many seconds ago. */
  readonly isSampled?: (ago: number) => boolean;
}

const none = () => 0;

function past({
  span = 900,
  lag = none,
  settled = none,
  delivered = none,
  isSampled = () => true,
}: Past = {}) {
  const agos = Array.from({ length: span / INTERVAL_S + 1 }, (_, index) => span - index * INTERVAL_S);
  const sampled = agos.filter(isSampled);
  const series = (valueAt: (ago: number) => number | null): Record<string, Series> => ({
    'ORDERS/payment-orders': sampled.map(valueAt),
  });
  const history: History = {
    intervalS: INTERVAL_S,
    times: sampled.map((ago) => NOW_S - ago),
    published: {},
    lag: series(lag),
    settled: series(settled),
    delivered: series(delivered),
    deadLetters: {},
  };
  return history;
}

const conditionOf = (facts: Partial<ConsumerOverview>, history?: History): Condition | undefined =>
  toRows([consumer(facts)], history)[0]?.condition;

describe('a consumer with messages that wait', () => {
  const waiting = { lag: 7, ackPending: 3 };
  const lag = () => 7;

  it('is stuck when for half a minute none was delivered or settled', () => {
    expect(conditionOf(waiting, past({ lag }))).toBe('stuck');
  });

  it('is not stuck while one message in backoff holds up what counts as settled', () => {
    expect(conditionOf(waiting, past({ lag, delivered: () => 40 }))).toBe('moving');
  });

  it('is not stuck while messages settle and a full batch delays the next delivery', () => {
    expect(conditionOf(waiting, past({ lag, settled: (ago) => (ago === 25 ? 0.2 : 0) }))).toBe('moving');
  });

  it('is stuck whatever it did before that half minute', () => {
    const rate = (ago: number) => (ago >= 30 ? 50 : 0);
    expect(conditionOf(waiting, past({ lag, settled: rate, delivered: rate }))).toBe('stuck');
  });

  it('is not stuck when they came just now, after a time of nothing to do', () => {
    expect(conditionOf(waiting, past({ lag: (ago) => (ago < 20 ? 7 : 0) }))).toBe('moving');
  });

  it('is not stuck when the last delivery is later than the last sample', () => {
    const lastDeliveredAt = new Date((NOW_S + 1) * 1_000).toISOString();
    expect(conditionOf({ ...waiting, lastDeliveredAt }, past({ lag }))).toBe('moving');
  });

  it('is not called stuck before half a minute was seen', () => {
    expect(conditionOf(waiting, past({ lag, span: 25 }))).toBe('moving');
    expect(conditionOf(waiting, past({ lag, span: 30 }))).toBe('stuck');
    expect(conditionOf(waiting)).toBe('moving');
  });

  it('is not called stuck for a time of which there are no samples', () => {
    expect(conditionOf(waiting, past({ lag, isSampled: (ago) => ago === 0 || ago > 60 }))).toBe('moving');
  });

  it('is stuck after a pause only once half a minute has passed since', () => {
    const after = (seconds: number) => {
      const rate = (ago: number) => (ago >= seconds ? null : 0);
      return past({ lag, settled: rate, delivered: rate });
    };
    expect(conditionOf(waiting, after(25))).toBe('moving');
    expect(conditionOf(waiting, after(30))).toBe('stuck');
  });

  it('is growing when more of them wait than a minute ago', () => {
    const busy = { lag: (ago: number) => 1_000 - 10 * ago, settled: () => 5, delivered: () => 5 };
    expect(conditionOf({ lag: 1_000 }, past({ ...busy, span: 90 }))).toBe('growing');
  });

  it('is moving when their number goes up and down by a little', () => {
    const busy = { lag: (ago: number) => 1_000 - (ago % 10), delivered: () => 5 };
    expect(conditionOf({ lag: 1_000 }, past(busy))).toBe('moving');
  });

  it('is not growing because of what came while it was paused', () => {
    const rate = (ago: number) => (ago > 20 ? null : 5);
    const resumed = past({ span: 90, lag: (ago) => 1_000 - 10 * ago, settled: rate, delivered: rate });
    expect(conditionOf({ lag: 1_000 }, resumed)).toBe('moving');
  });
});

describe('a consumer with messages that are delivered and not settled', () => {
  it('is stuck when nothing came of them for six minutes, as when its service was killed', () => {
    expect(conditionOf({ ackPending: 3 }, past())).toBe('stuck');
    expect(conditionOf({ ackPending: 3, redelivered: 3 }, past())).toBe('stuck');
  });

  it('is retrying while the longest default backoff may still end', () => {
    const delivered = (ago: number) => (ago === 330 ? 0.2 : 0);
    expect(conditionOf({ ackPending: 3, redelivered: 3 }, past({ delivered }))).toBe('retrying');
  });

  it('is moving when one was delivered after hours of nothing, and is in no sample yet', () => {
    const lastDeliveredAt = new Date((NOW_S - 1) * 1_000).toISOString();
    expect(conditionOf({ ackPending: 1, lastDeliveredAt }, past())).toBe('moving');
  });

  it('is not called stuck before six minutes were seen', () => {
    expect(conditionOf({ ackPending: 3 }, past({ span: 355 }))).toBe('moving');
  });
});

describe('a consumer', () => {
  it('is paused whatever else is true of it', () => {
    const pausedUntil = new Date((NOW_S + 600) * 1_000).toISOString();
    expect(conditionOf({ lag: 7, redelivered: 1, pausedUntil }, past({ lag: () => 7 }))).toBe('paused');
  });

  it('is idle when nothing waits and nothing is unacked', () => {
    expect(conditionOf({}, past())).toBe('idle');
  });

  it('comes before those that do better', () => {
    const rows = toRows(
      [
        consumer({ name: 'a-idle' }),
        consumer({ name: 'b-moving', lag: 1 }),
        consumer({ lag: 7 }),
        consumer({ name: 'c-retrying', ackPending: 1, redelivered: 1 }),
      ],
      past({ lag: () => 7 }),
    );
    expect(rows.map(({ condition }) => condition)).toEqual(['stuck', 'retrying', 'moving', 'idle']);
  });
});

describe('the totals', () => {
  const pausedUntil = new Date((NOW_S + 600) * 1_000).toISOString();
  const totalsOf = (consumers: readonly ConsumerOverview[], history?: History) => {
    const overview: Overview = { serverVersion: '', streams: [], consumers };
    return sumUp(overview, toRows(consumers, history), history);
  };

  it('count a message that waits for all partitions of a durable once', () => {
    const totals = totalsOf([
      consumer({ name: 'shipping-p0', lag: 40, ackPending: 1, redelivered: 1 }),
      consumer({ name: 'shipping-p1', lag: 55, ackPending: 2, redelivered: 2 }),
      consumer({ lag: 5 }),
    ]);
    expect(totals).toMatchObject({ lag: 60, unacked: 3, redelivered: 3 });
  });

  it('count durables that are paused or stuck, not their partitions', () => {
    const paused = ['shipping-p0', 'shipping-p1', 'order-intake'].map((name) =>
      consumer({ name, pausedUntil }),
    );
    expect(totalsOf(paused).paused).toBe(2);

    const { times, lag, settled, delivered, ...others } = past({ lag: () => 7 });
    const ofBoth = (all: Readonly<Record<string, Series>>) => {
      const series = all['ORDERS/payment-orders'] ?? [];
      return { 'ORDERS/shipping-p0': series, 'ORDERS/shipping-p1': series };
    };
    const history = {
      ...others,
      times,
      lag: ofBoth(lag),
      settled: ofBoth(settled),
      delivered: ofBoth(delivered),
    };
    const partitions = [consumer({ name: 'shipping-p0', lag: 7 }), consumer({ name: 'shipping-p1', lag: 7 })];
    expect(totalsOf(partitions, history).stuck).toBe(1);
  });

  it('leave out the stores of NATS', () => {
    expect(totalsOf([consumer({ stream: 'KV_cache', lag: 9, pausedUntil })])).toMatchObject({
      lag: 0,
      paused: 0,
    });
  });

  it('know no rate of publishing before there are two samples', () => {
    expect(totalsOf([]).publishedPerS).toBeNull();
    const published = {
      ORDERS: [null, 30],
      PAYMENTS: [null, 12],
      ORDERS_DLQ: [null, 5],
      KV_cache: [null, 9],
    };
    expect(totalsOf([], { ...past(), published }).publishedPerS).toBe(42);
  });
});
