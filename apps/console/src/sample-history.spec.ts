import { expect, it } from '@jest/globals';
import type { ConsumerOverview, StreamOverview } from '@slipstream/operations';
import { SampleHistory } from './sample-history.js';

const stream = (name: string, lastSequence: number, messages = lastSequence) =>
  ({ name, lastSequence, messages }) as StreamOverview;
const consumer = (values: Partial<ConsumerOverview>) =>
  ({ stream: 'ORDERS', name: 'stock', lag: 0, pausedUntil: null, ...values }) as ConsumerOverview;

it('tells what was stored, delivered and settled per second between two samples', () => {
  const history = new SampleHistory(5, 10);
  const at = (seconds: number, count: number) =>
    history.add({
      at: seconds,
      streams: [stream('ORDERS', count * 2)],
      consumers: [consumer({ lag: count, deliveries: count, settled: count / 2 })],
    });
  at(100, 0);
  at(104, 40);
  expect(history.read()).toEqual({
    intervalS: 5,
    times: [100, 104],
    published: { ORDERS: [null, 20] },
    lag: { 'ORDERS/stock': [0, 40] },
    delivered: { 'ORDERS/stock': [null, 10] },
    settled: { 'ORDERS/stock': [null, 5] },
    deadLetters: {},
  });
});

it('tells no rate of a stream or consumer that was created anew or is paused', () => {
  const history = new SampleHistory(5, 10);
  const paused = { deliveries: 9, settled: 9, pausedUntil: '2999-01-01T00:00:00Z' };
  history.add({
    at: 1,
    streams: [stream('ORDERS', 50)],
    consumers: [consumer({ deliveries: 9, settled: 9 })],
  });
  history.add({ at: 2, streams: [stream('ORDERS', 3)], consumers: [consumer(paused)] });
  history.add({
    at: 3,
    streams: [stream('ORDERS', 4)],
    consumers: [consumer({ deliveries: 9, settled: 9 })],
  });
  expect(history.read()).toMatchObject({
    published: { ORDERS: [null, null, 1] },
    delivered: { 'ORDERS/stock': [null, null, null] },
  });
});

it('counts dead letters by the stream they come from, and leaves out the stores of NATS', () => {
  const history = new SampleHistory(5, 10);
  const streams = [stream('ORDERS_DLQ', 9, 4), stream('KV_slipstream_attempts', 7), stream('OBJ_audit', 1)];
  history.add({ at: 1, streams, consumers: [] });
  expect(history.read()).toMatchObject({ published: {}, deadLetters: { ORDERS: [4] } });
});

it('keeps times ascending when the clock is put back, and as many samples as it should', () => {
  const history = new SampleHistory(5, 3);
  for (const at of [1, 2, 9, 3, 9, 10, 11]) history.add({ at, streams: [], consumers: [] });
  expect(history.read().times).toEqual([9, 10, 11]);
});

it('has null where a stream or consumer was not there yet', () => {
  const history = new SampleHistory(5, 10);
  history.add({ at: 1, streams: [], consumers: [] });
  history.add({ at: 2, streams: [stream('ORDERS', 5)], consumers: [consumer({ lag: 3 })] });
  expect(history.read()).toMatchObject({
    published: { ORDERS: [null, null] },
    lag: { 'ORDERS/stock': [null, 3] },
  });
});
