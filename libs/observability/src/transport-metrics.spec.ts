import { beforeEach, describe, expect, it } from '@jest/globals';
import type { PublishedMessage, SettledDelivery } from '@slipstream/jetstream';
import { Registry } from 'prom-client';
import { TransportMetrics } from './transport-metrics.js';

const delivery = (over: Partial<SettledDelivery> = {}): SettledDelivery => ({
  stream: 'ORDERS',
  consumer: 'payment-orders',
  subject: 'orders.created.v1',
  pattern: 'orders.created.*',
  sequence: 42,
  attempt: 1,
  deliveryCount: 1,
  messageId: '019a-1',
  attributes: {},
  outcome: 'handled',
  durationMs: 1,
  ageMs: 5,
  ...over,
});

const message = (over: Partial<PublishedMessage> = {}): PublishedMessage => ({
  subject: 'orders.created.v1',
  messageId: 'm',
  durationMs: 1,
  duplicate: false,
  ...over,
});

const PLACE = 'stream="ORDERS",consumer="payment-orders"';

describe('transport metrics', () => {
  let registry: Registry;
  let metrics: TransportMetrics;

  const settle = (over: Partial<SettledDelivery> = {}) => {
    const settled = delivery(over);
    metrics.countSettled(metrics.meterOf(settled.stream, settled.consumer), settled);
  };

  beforeEach(() => {
    registry = new Registry();
    metrics = new TransportMetrics(registry);
  });

  it('count deliveries by pattern, consumer and outcome, across scrapes', async () => {
    settle({ subject: 'orders.created.v1' });
    settle({ subject: 'orders.created.v2' });
    settle({ outcome: 'retried', error: new Error('x') });
    await registry.metrics();
    settle();
    const text = await registry.metrics();
    const labels = (outcome: string) => `{subject="orders.created.*",${PLACE},outcome="${outcome}"}`;
    expect(text).toContain(`nats_messages_consumed_total${labels('handled')} 3`);
    expect(text).toContain(`nats_messages_consumed_total${labels('retried')} 1`);
    expect(text).toContain('order_processing_errors_total 1');
  });

  it('measure handlers by status and by consumer, but not deliveries that were given back unstarted', async () => {
    settle({ durationMs: 3 });
    settle({ outcome: 'dead-lettered', durationMs: 40_000 });
    settle({ outcome: 'released', durationMs: 0 });
    const text = await registry.metrics();
    expect(text).toContain('order_processing_duration_seconds_bucket{le="0.0025",status="handled"} 0');
    expect(text).toContain('order_processing_duration_seconds_bucket{le="0.005",status="handled"} 1');
    expect(text).toContain('order_processing_duration_seconds_bucket{le="30",status="dead-lettered"} 0');
    expect(text).toContain('order_processing_duration_seconds_count{status="released"} 0');
    expect(text).toContain(`jetstream_handler_duration_seconds_count{${PLACE}} 2`);
  });

  it('tell the time from event to effect apart from the time of the handler', async () => {
    settle({ durationMs: 2, ageMs: 4_000 });
    settle({ outcome: 'retried', ageMs: 9_000 });
    // The clock of the server is ahead.
    settle({ durationMs: 0, ageMs: -3 });
    const text = await registry.metrics();
    expect(text).toContain(`jetstream_critical_time_seconds_sum{${PLACE}} 4`);
    expect(text).toContain(`jetstream_critical_time_seconds_count{${PLACE}} 2`);
    expect(text).toContain(`jetstream_handler_duration_seconds_sum{${PLACE}} 0.003`);
  });

  it('count redeliveries, and the attempts of what came to its end', async () => {
    settle({ outcome: 'retried' });
    settle({ outcome: 'retried', attempt: 2, deliveryCount: 2 });
    settle({ attempt: 3, deliveryCount: 4 });
    const text = await registry.metrics();
    expect(text).toContain(`jetstream_redeliveries_total{${PLACE}} 2`);
    expect(text).toContain(`jetstream_attempts_count{${PLACE}} 1`);
    expect(text).toContain(`jetstream_attempts_sum{${PLACE}} 3`);
  });

  it('count dead letters by reason', async () => {
    metrics.countDeadLettered({ stream: 'ORDERS', consumer: 'payment-orders', code: 'CONTRACT_MALFORMED' });
    expect(await registry.metrics()).toContain(
      `jetstream_dead_lettered_total{${PLACE},reason="CONTRACT_MALFORMED"} 1`,
    );
  });

  it('count publishes that a stream stored, measure all, and say why some failed', async () => {
    metrics.countPublished(message());
    metrics.countPublished(message({ duplicate: true }));
    metrics.countPublished(message({ error: Object.assign(new Error('full'), { code: 'JS_STREAM_FULL' }) }));
    const text = await registry.metrics();
    expect(text).toContain('nats_messages_published_total{subject="orders.created.v1"} 1');
    for (const outcome of ['stored', 'duplicate', 'failed']) {
      expect(text).toContain(`jetstream_publish_duration_seconds_count{outcome="${outcome}"} 1`);
    }
    expect(text).toContain('jetstream_publish_errors_total{code="JS_STREAM_FULL"} 1');
  });

  it('name published subjects by their pattern where tokens are ids', async () => {
    for (const id of ['019a8c1e-7c43-73a7-a1d8-7a6d0c4e7108', '01JD2Y4M8ZK0V3', '4711']) {
      metrics.countPublished(message({ subject: `orders.${id}.paid.v2` }));
    }
    metrics.countPublished(message({ subject: 'inventory.reserved.v1' }));
    const labels = (await registry.metrics()).match(/(?<=published_total\{subject=).*$/gm);
    expect(labels).toEqual(['"orders.*.paid.v2"} 3', '"inventory.reserved.v1"} 1']);
  });

  it('stay as many when a million keys, subjects, consumers and reasons come by', async () => {
    const failed = message();
    const word = (i: number) => i.toString(36).replace(/\d/g, (digit) => 'ABCDEFGHIJ'[Number(digit)] ?? '');
    const flood = (from: number, to: number) => {
      for (let i = from; i < to; i++) {
        const code = `E${i}`;
        metrics.countPublished({
          ...failed,
          subject: `orders.${word(i)}.v1`,
          messageId: `${i}`,
          error: undefined,
        });
        metrics.countPublished({ ...failed, error: { code } });
        settle({ subject: `orders.created.${i}`, messageId: `${i}`, attributes: { order_id: `${i}` } });
        metrics.countDeadLettered({ stream: 'ORDERS', consumer: 'payment-orders', code });
        if (i % 100 === 0) settle({ stream: `S${i}`, consumer: `c${i}` });
      }
    };
    const series = async () =>
      (await registry.metrics()).split('\n').filter((line) => /^\w/.test(line)).length;
    flood(0, 50_000);
    const before = await series();
    flood(50_000, 1_000_000);
    expect(await series()).toBe(before);
    expect(await registry.metrics()).toContain('nats_messages_published_total{subject="other"} 999800');
  });
});
