import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor, type ReceivedSpan, type SpanReceiver } from '@slipstream/testing';
import { articleMessage } from './article-message.ts';
import type { Journey } from './journey.ts';
import { CREATED, FOREIGN_LIFE, LIFE, startTrace, TracedSystem } from './traced-system.ts';

/** Spans whose parent is neither among them nor `root`. */
function loose(spans: readonly ReceivedSpan[], root?: string): string[] {
  const known = new Set([...spans.map(({ spanId }) => spanId), ...(root ? [root] : [])]);
  return spans.filter(({ parentSpanId = '' }) => !known.has(parentSpanId)).map(({ name }) => name);
}

const named = (spans: readonly ReceivedSpan[], name: string) => spans.filter((span) => span.name === name);
const childrenOf = (spans: readonly ReceivedSpan[], parent: ReceivedSpan | undefined) =>
  spans.filter(({ parentSpanId }) => parentSpanId === parent?.spanId).map(({ name }) => name);
const consumer = ({ attributes }: ReceivedSpan) => attributes['messaging.consumer.group.name'];

describe('the trace of an order', () => {
  let system: TracedSystem;
  let receiver: SpanReceiver;
  let journey: Journey;

  const post = (traceparent: string) => system.post(traceparent);

  beforeAll(async () => {
    system = await TracedSystem.start();
    ({ receiver, journey } = system);
  }, 240_000);

  afterAll(async () => {
    await system.end();
  }, 60_000);

  it('posted over HTTP is one tree from the request through all services', async () => {
    const { traceId, spanId, traceparent } = startTrace();
    await journey.settled(await post(traceparent));
    const spans = await receiver.wait(traceId, {
      ...LIFE,
      'POST /orders': 1,
      'create orders.created.v1': 1,
      'publish orders.created.v1': 1,
    });
    expect(loose(spans, spanId)).toEqual([]);
    const [request] = named(spans, 'POST /orders');
    expect(request).toMatchObject({ kind: 'server', service: 'order-service', parentSpanId: spanId });
    expect(childrenOf(spans, request)).toContain('outbox_append_place');
    const [created] = named(spans, 'create orders.created.v1');
    expect(created).toMatchObject({ kind: 'producer', parentSpanId: request?.spanId });
    expect(new Set(childrenOf(spans, created))).toEqual(
      new Set(['process orders.*.*', CREATED, 'publish orders.created.v1']),
    );
    const charging = named(spans, CREATED).find((span) => consumer(span) === 'payment-orders');
    expect(charging).toMatchObject({ kind: 'consumer', service: 'payment-service', isError: false });
    expect(charging?.links).toEqual([expect.objectContaining({ spanId: created?.spanId })]);
    expect(childrenOf(spans, charging)).toEqual(
      expect.arrayContaining([
        'POST',
        'create payments.completed.v1',
        'INSERT INTO payments',
        'ack orders.created.*',
      ]),
    );
    expect(named(spans, 'POST /charges')[0]).toMatchObject({ kind: 'server', service: 'payment-gateway' });
    expect(new Set(spans.map(({ service }) => service))).toEqual(
      new Set(['order-service', 'payment-service', 'inventory-service', 'audit-service', 'payment-gateway']),
    );
  }, 120_000);

  it('published by a Go client with its Traceparent is one tree below the span of that client', async () => {
    const { traceId, spanId, traceparent } = startTrace();
    const message = articleMessage();
    await journey.publishBare('orders.created.v1', JSON.stringify(message), { Traceparent: traceparent });
    await journey.settled(message.order_id);
    const spans = await receiver.wait(traceId, FOREIGN_LIFE);
    expect(loose(spans, spanId)).toEqual([]);
    expect(named(spans, CREATED).map(consumer).toSorted()).toEqual([
      'inventory-orders',
      'order-intake',
      'payment-orders',
    ]);
  }, 120_000);

  it('published without any header is one trace all the same', async () => {
    const message = articleMessage();
    await journey.publishBare('orders.created.v1', JSON.stringify(message));
    await journey.settled(message.order_id);
    const first = await waitFor('a span of the order', () =>
      receiver.spans.find(({ attributes }) => attributes['order_id'] === message.order_id),
    );
    const spans = await receiver.wait(first.traceId, FOREIGN_LIFE);
    // Its begin is outside of the system: what its consumers do are the roots.
    expect(new Set(loose(spans))).toEqual(new Set([CREATED, 'process orders.*.*']));
    const elsewhere = receiver.spans.filter(
      ({ attributes, traceId }) => attributes['order_id'] === message.order_id && traceId !== first.traceId,
    );
    expect(elsewhere).toEqual([]);
  }, 120_000);

  it('keeps to itself when many are committed together, and links what they shared', async () => {
    const traces = Array.from({ length: 20 }, startTrace);
    const orders = await Promise.all(traces.map(({ traceparent }) => post(traceparent)));
    await Promise.all(orders.map((orderId) => journey.settled(orderId)));
    for (const [index, { traceId, spanId }] of traces.entries()) {
      const spans = await receiver.wait(traceId, {
        ...LIFE,
        'POST /orders': 1,
        'create orders.created.v1': 1,
      });
      expect(loose(spans, spanId)).toEqual([]);
      const told = new Set(spans.map(({ attributes }) => attributes['order_id']).filter(Boolean));
      expect(told).toEqual(new Set([orders[index]]));
    }
    const shared = receiver.spans.filter(({ name }) => /^(process batch|commit group)/.test(name));
    const linked = new Set(shared.flatMap(({ links }) => links.map(({ traceId }) => traceId)));
    expect(traces.filter(({ traceId }) => linked.has(traceId)).length).toBeGreaterThan(1);
  }, 180_000);

  it('holds the attempts that failed beside the one that came through', async () => {
    const { traceId, spanId, traceparent } = startTrace();
    await journey.setFaults({ mode: 'down', ratio: 1 });
    const orderId = await post(traceparent);
    await receiver.wait(traceId, { 'nak orders.created.*': 1 });
    await journey.setFaults({ mode: 'ok' });
    await journey.settled(orderId);
    const spans = await receiver.wait(traceId, LIFE);
    expect(loose(spans, spanId)).toEqual([]);
    const attempts = named(spans, CREATED).filter((span) => consumer(span) === 'payment-orders');
    expect(attempts.map(({ attributes }) => attributes['messaging.nats.outcome'])).toEqual(
      expect.arrayContaining(['retried', 'handled']),
    );
    const [failed] = attempts.filter(({ isError }) => isError);
    expect(failed?.attributes).toMatchObject({ 'messaging.nats.message.attempt': 1 });
    expect(new Set(attempts.map(({ parentSpanId }) => parentSpanId)).size).toBe(1);
  }, 120_000);

  it('ends in the dead letters where the message cannot be processed', async () => {
    const { traceId, spanId, traceparent } = startTrace();
    const body = JSON.stringify(articleMessage({ total_amount: 'a lot' }));
    await journey.publishBare('orders.created.v1', body, { Traceparent: traceparent });
    const spans = await receiver.wait(traceId, {
      [CREATED]: 3,
      'publish orders.dlq': 3,
      'process orders.*.*': 1,
    });
    expect(loose(spans, spanId)).toEqual([]);
    for (const span of named(spans, CREATED)) {
      expect(span).toMatchObject({ isError: true, attributes: { 'error.type': 'CONTRACT_INVALID' } });
      expect(childrenOf(spans, span)).toEqual(
        expect.arrayContaining(['publish orders.dlq', 'ack orders.created.*']),
      );
    }
    const letters = (await journey.deadLetters('ORDERS_DLQ')).filter((letter) => letter.body === body);
    expect(letters.map(({ header }) => header('dead-letter-trace-id'))).toEqual([traceId, traceId, traceId]);
    expect(letters.map(({ header }) => header('Traceparent'))).toEqual([
      traceparent,
      traceparent,
      traceparent,
    ]);
  }, 120_000);
});
