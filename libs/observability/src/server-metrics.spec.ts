import { Logger } from '@nestjs/common';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import type { ConsumerLiveness, ConsumerPosition, TransportSurvey } from '@slipstream/jetstream';
import { Registry } from 'prom-client';
import { ServerMetrics, type TransportProbe } from './server-metrics.js';

const position = (over: Partial<ConsumerPosition> = {}): ConsumerPosition => ({
  stream: 'ORDERS',
  consumer: 'payment-orders',
  pending: 7,
  ackPending: 3,
  redelivered: 2,
  deliveredThrough: 40,
  settledThrough: 37,
  deliveries: 40,
  settledDeliveries: 37,
  isPaused: false,
  ...over,
});

const stream = { messages: 5, bytes: 500, maxBytes: undefined, lastSequence: 9, oldestAtMs: undefined };

const survey = (): TransportSurvey => ({
  streams: [
    { ...stream, stream: 'ORDERS', maxBytes: 1_000, deadLettersOf: undefined },
    { ...stream, stream: 'ORDERS_DLQ', deadLettersOf: 'ORDERS', oldestAtMs: Date.now() - 60_000 },
  ],
  consumers: [position()],
});

const loop = (over: Partial<ConsumerLiveness> = {}): ConsumerLiveness => ({
  stream: 'ORDERS',
  consumer: 'payment-orders',
  state: 'running',
  silentMs: 0,
  stuckMs: 0,
  pending: 0,
  held: 4,
  ...over,
});

const probe = (over: Partial<TransportProbe> = {}): TransportProbe => ({
  survey: async () => survey(),
  liveness: () => [loop()],
  isConnected: () => true,
  ...over,
});

function setup(...probes: TransportProbe[]) {
  const registry = new Registry();
  const metrics = new ServerMetrics(registry);
  for (const each of probes) metrics.add(each);
  return { registry, metrics };
}

const PLACE = '{stream="ORDERS",consumer="payment-orders"}';

describe('metrics read from the server', () => {
  afterEach(() => {
    jest.restoreAllMocks();
  });

  it('show where every consumer is and what every stream holds', async () => {
    const text = await setup(probe()).registry.metrics();
    for (const line of [
      `nats_consumer_pending_messages${PLACE} 7`,
      `nats_consumer_ack_pending_messages${PLACE} 3`,
      `nats_consumer_redelivered_messages${PLACE} 2`,
      `nats_consumer_deliveries_total${PLACE} 40`,
      `nats_consumer_settled_deliveries${PLACE} 37`,
      `nats_consumer_paused${PLACE} 0`,
      'nats_stream_messages{stream="ORDERS"} 5',
      'nats_stream_bytes{stream="ORDERS_DLQ"} 500',
      'nats_stream_max_bytes{stream="ORDERS"} 1000',
      'nats_stream_last_sequence{stream="ORDERS"} 9',
      'dead_letters{stream="ORDERS"} 5',
    ]) {
      expect(text).toContain(`\n${line}\n`);
    }
    expect(text).not.toContain('nats_stream_max_bytes{stream="ORDERS_DLQ"}');
    expect(Number(/dead_letters_oldest_age_seconds\{stream="ORDERS"\} ([\d.]+)/.exec(text)?.[1])).toBeCloseTo(
      60,
      0,
    );
  });

  it('show the state and the load of every consumer loop, and the connection', async () => {
    let state: ConsumerLiveness['state'] = 'running';
    let isConnected = true;
    const { registry } = setup(probe({ liveness: () => [loop({ state })], isConnected: () => isConnected }));
    const states = async () =>
      (await registry.metrics())
        .match(/jetstream_consumer_state\{.*state="(\w+)"\} 1/g)
        ?.map((line) => /"(\w+)"\}/.exec(line)?.[1]);
    expect(await states()).toEqual(['running']);
    state = 'stalled';
    expect(await states()).toEqual(['stalled']);
    expect(await registry.metrics()).toContain(`jetstream_inflight_messages${PLACE} 4`);
    expect(await registry.metrics()).toContain('jetstream_connection_up 1');
    isConnected = false;
    expect(await registry.metrics()).toContain('jetstream_connection_up 0');
  });

  it('ask the server when scraped, and then at most once a second', async () => {
    const ask = jest.fn(async () => survey());
    const { registry } = setup(probe({ survey: ask }));
    expect(ask).not.toHaveBeenCalled();
    await registry.metrics();
    await registry.metrics();
    expect(ask).toHaveBeenCalledTimes(1);
  });

  it('leave the scrape whole and themselves out while the server does not answer, with one line in the log', async () => {
    const warned = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    const silent = probe({ survey: () => Promise.reject(new Error('timeout')) });
    const { registry } = setup(silent);
    const text = await registry.metrics();
    expect(text).toContain('jetstream_connection_up 1');
    expect(text).not.toMatch(/^(nats_|dead_letters)\w*\{/m);
    expect(warned).toHaveBeenCalledTimes(1);
  });

  it('do not repeat a consumer that was deleted', async () => {
    let consumers = [position(), position({ consumer: 'order-intake' })];
    const probes = [probe({ survey: async () => ({ ...survey(), consumers }) })];
    const { registry, metrics } = setup(...probes);
    expect(await registry.metrics()).toContain('consumer="order-intake"');
    consumers = [position()];
    for (const each of probes) {
      metrics.remove(each);
      metrics.add(each);
    }
    expect(await registry.metrics()).not.toContain('consumer="order-intake"');
  });

  it('are no longer there once the app shut down, and never in an app without NATS', async () => {
    const only = probe();
    const { registry, metrics } = setup(only);
    metrics.remove(only);
    expect(await registry.metrics()).not.toMatch(/^nats_consumer_pending_messages\{/m);
    expect(await setup().registry.metrics()).not.toContain('jetstream_connection_up');
  });
});
