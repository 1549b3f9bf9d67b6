import { describe, expect, it, jest } from '@jest/globals';
import type { SettledDelivery } from '@slipstream/jetstream';
import { Logger } from '@nestjs/common';
import { Registry } from 'prom-client';
import { createLog } from './log.js';
import { MessageObserver } from './message.observer.js';
import { TransportMetrics } from './transport-metrics.js';

function setup(level = 'debug') {
  const lines: Record<string, unknown>[] = [];
  const registry = new Registry();
  const log = createLog(
    'payment-service',
    { LOG_LEVEL: level },
    { write: (line) => void lines.push(JSON.parse(line)) },
  );
  return { lines, registry, observer: new MessageObserver(log, new TransportMetrics(registry)) };
}

const delivery = (over: Partial<SettledDelivery> = {}): SettledDelivery => ({
  stream: 'ORDERS',
  consumer: 'payment-orders',
  subject: 'orders.created.v1',
  pattern: 'orders.created.*',
  sequence: 42,
  attempt: 1,
  messageId: '019a-1',
  attributes: { order_id: 'o-1', other: 'not logged' },
  outcome: 'handled',
  durationMs: 1.23456,
  ageMs: 5,
  ...over,
});

describe('message observer', () => {
  it('writes exactly one line with the fields of the delivery', () => {
    const { lines, observer } = setup();
    observer.settled(delivery());
    expect(lines).toEqual([
      {
        level: 'info',
        time: expect.any(String),
        pid: process.pid,
        service: 'payment-service',
        stream: 'ORDERS',
        consumer: 'payment-orders',
        message_id: '019a-1',
        order_id: 'o-1',
        subject: 'orders.created.v1',
        attempt: 1,
        sequence: 42,
        outcome: 'handled',
        duration_ms: 1.235,
        age_ms: 5,
        msg: 'delivery settled',
      },
    ]);
  });

  it('writes the name, message and stack of the error, and the trace id when there is one', () => {
    const { lines, observer } = setup();
    const error = new TypeError('no such SKU');
    observer.settled(delivery({ outcome: 'dead-lettered', error, attributes: { trace_id: 't-1' } }));
    expect(lines[0]).toMatchObject({
      level: 'error',
      trace_id: 't-1',
      error: { name: 'TypeError', message: 'no such SKU', stack: error.stack },
    });
  });

  it.each([
    ['handled', 'info'],
    ['retried', 'warn'],
    ['dead-lettered', 'error'],
    ['released', 'debug'],
  ] as const)('writes %s at level %s', (outcome, level) => {
    const { lines, observer } = setup();
    observer.settled(delivery({ outcome }));
    expect(lines.map((line) => line['level'])).toEqual([level]);
  });

  it('writes nothing below the level of the log, yet counts', async () => {
    const { lines, observer, registry } = setup('warn');
    observer.settled(delivery());
    expect(lines).toEqual([]);
    expect(await registry.metrics()).toContain('outcome="handled"} 1');
  });
});

describe('transport metrics', () => {
  it('count deliveries by pattern, consumer and outcome, across scrapes', async () => {
    const { observer, registry } = setup();
    observer.settled(delivery({ subject: 'orders.created.v1' }));
    observer.settled(delivery({ subject: 'orders.created.v2' }));
    observer.settled(delivery({ outcome: 'retried', error: new Error('x') }));
    await registry.metrics();
    observer.settled(delivery());
    const text = await registry.metrics();
    const labels = (outcome: string) =>
      `{subject="orders.created.*",consumer="payment-orders",outcome="${outcome}"}`;
    expect(text).toContain(`nats_messages_consumed_total${labels('handled')} 3`);
    expect(text).toContain(`nats_messages_consumed_total${labels('retried')} 1`);
    expect(text).toContain('order_processing_errors_total 1');
  });

  it('measure handlers by status, but not deliveries that were given back unstarted', async () => {
    const { observer, registry } = setup();
    observer.settled(delivery({ durationMs: 3 }));
    observer.settled(delivery({ outcome: 'dead-lettered', durationMs: 20_000 }));
    observer.settled(delivery({ outcome: 'released', durationMs: 0 }));
    const text = await registry.metrics();
    expect(text).toContain('order_processing_duration_seconds_bucket{le="0.0025",status="handled"} 0');
    expect(text).toContain('order_processing_duration_seconds_bucket{le="0.005",status="handled"} 1');
    expect(text).toContain('order_processing_duration_seconds_bucket{le="10",status="dead-lettered"} 0');
    expect(text).not.toContain('status="released"');
  });

  it('count publishes that a stream stored, not duplicates and failures', async () => {
    const { observer, registry } = setup();
    const published = { subject: 'orders.created.v1', messageId: 'm', durationMs: 1, duplicate: false };
    observer.published(published);
    observer.published({ ...published, duplicate: true });
    observer.published({ ...published, error: new Error('no responders') });
    expect(await registry.metrics()).toContain(
      'nats_messages_published_total{subject="orders.created.v1"} 1',
    );
  });

  it('keep at most 200 published subjects apart and count the rest as other', async () => {
    const { observer, registry } = setup();
    for (let i = 0; i < 250; i++) {
      observer.published({ subject: `orders.${i}.v1`, messageId: 'm', durationMs: 1, duplicate: false });
    }
    const text = await registry.metrics();
    expect(text.match(/^nats_messages_published_total\{/gm)).toHaveLength(201);
    expect(text).toContain('nats_messages_published_total{subject="other"} 50');
  });
});

describe('consumer positions', () => {
  const position = {
    stream: 'ORDERS',
    consumer: 'payment-orders',
    pending: 7,
    ackPending: 1,
    redelivered: 0,
    deliveredThrough: 9,
    settledThrough: 8,
  };
  const gauge = 'nats_consumer_pending_messages{stream="ORDERS",consumer="payment-orders"}';

  it('are asked when scraped, and then at most once a second', async () => {
    const { observer, registry } = setup();
    const source = jest.fn(async () => [position]);
    observer.reportPositions(source);
    expect(source).not.toHaveBeenCalled();
    expect(await registry.metrics()).toContain(`${gauge} 7`);
    await registry.metrics();
    expect(source).toHaveBeenCalledTimes(1);
  });

  it('leave the scrape whole when they cannot be read', async () => {
    const warned = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    const { observer, registry } = setup();
    observer.settled(delivery());
    observer.reportPositions(async () => [position]);
    observer.reportPositions(() => Promise.reject(new Error('timeout')));
    const text = await registry.metrics();
    expect(text).toContain(`${gauge} 7`);
    expect(text).toContain('nats_messages_consumed_total{');
    expect(warned).toHaveBeenCalledTimes(1);
    warned.mockRestore();
  });

  it('are no longer asked for once the app shut down', async () => {
    const { observer, registry } = setup();
    observer.reportPositions(async () => [position]);
    observer.onApplicationShutdown();
    expect(await registry.metrics()).not.toContain(gauge);
  });
});
