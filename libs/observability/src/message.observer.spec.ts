import { describe, expect, it } from '@jest/globals';
import type { SettledDelivery } from '@slipstream/jetstream';
import { Registry, type RegistryContentType } from 'prom-client';
import { createLog } from './log.js';
import { MessageObserver } from './message.observer.js';
import { ServerMetrics } from './server-metrics.js';
import { TransportMetrics } from './transport-metrics.js';

function setup(level = 'debug') {
  const lines: Record<string, unknown>[] = [];
  const registry = new Registry();
  const log = createLog(
    'payment-service',
    { LOG_LEVEL: level },
    { write: (line) => void lines.push(JSON.parse(line)) },
  );
  const observer = new MessageObserver(log, new TransportMetrics(registry), new ServerMetrics(registry));
  return { lines, registry, observer };
}

const delivery = (over: Partial<SettledDelivery> = {}): SettledDelivery => ({
  stream: 'ORDERS',
  consumer: 'payment-orders',
  subject: 'orders.created.v1',
  pattern: 'orders.created.*',
  sequence: 42,
  attempt: 1,
  deliveryCount: 1,
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

  it('writes what the transport tells of the error, and the ids of the trace', () => {
    const { lines, observer } = setup();
    const failure = { code: 'SKU', errorClass: 'StockError', message: 'no such SKU', stack: 'StockError: …' };
    const trace = { traceId: 't-1', spanId: 's-1', isRecorded: true };
    const error = new TypeError('never written, it may hold anything');
    observer.settled(delivery({ outcome: 'dead-lettered', error, failure, trace }));
    expect(lines[0]).toMatchObject({
      level: 'error',
      trace_id: 't-1',
      span_id: 's-1',
      error: { name: 'StockError', code: 'SKU', message: 'no such SKU', stack: 'StockError: …' },
    });
    expect(JSON.stringify(lines)).not.toContain('never written');
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

  it('names a trace as exemplar only when somebody can look it up', async () => {
    const { registry, observer } = setup('silent');
    const trace = (traceId: string, isRecorded: boolean) => ({ traceId, spanId: 's', isRecorded });
    observer.settled(delivery({ trace: trace('recorded', true) }));
    observer.settled(delivery({ trace: trace('unsampled', false) }));
    const openMetrics = registry as Registry<RegistryContentType>;
    openMetrics.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
    const text = await registry.metrics();
    expect(text).toMatch(/jetstream_handler_duration_seconds_bucket.* 2 # \{trace_id="recorded"\} 0\.0012/);
    expect(text).not.toContain('unsampled');
  });

  it('writes nothing below the level of the log, yet counts', async () => {
    const { lines, observer, registry } = setup('warn');
    observer.settled(delivery());
    expect(lines).toEqual([]);
    expect(await registry.metrics()).toContain('outcome="handled"} 1');
  });
});
