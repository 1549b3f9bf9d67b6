import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { OrderLife } from '@slipstream/operations';
import { SpanReceiver, uniqueName, waitFor, type ReceivedSpan } from '@slipstream/testing';
import { spawnSync } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { APPS } from '../../tools/stack/apps.ts';
import { buildApps } from '../../tools/stack/build.ts';
import { entryFileOf } from '../../tools/stack/units.ts';
import { Journey } from './journey.ts';

const CREATED = 'process orders.created.*';
/** What one order is made of from its created event on, whoever published it. */
const LIFE = {
  [CREATED]: 3,
  'create payments.completed.v1': 1,
  'publish payments.completed.v1': 1,
  'process payments.completed.*': 1,
  'create inventory.reserved.v1': 1,
  'publish inventory.reserved.v1': 1,
  'process inventory.reserved.*': 1,
  'create orders.confirmed.v1': 1,
  'publish orders.confirmed.v1': 1,
  'process orders.*.*': 2,
  'process payments.*.*': 1,
  'process inventory.*.*': 1,
  'POST /charges': 1,
};

/** A context as a client outside of the system begins it. */
function startTrace() {
  const traceId = randomBytes(16).toString('hex');
  const spanId = randomBytes(8).toString('hex');
  return { traceId, spanId, traceparent: `00-${traceId}-${spanId}-01` };
}

function articleMessage(overrides: object = {}) {
  return {
    message_id: randomUUID(),
    order_id: randomUUID(),
    customer_id: 'cust-123',
    total_amount: 99.95,
    created_at: Date.now(),
    ...overrides,
  };
}

const order = () => ({
  customerId: 'cust-1',
  currency: 'EUR',
  lines: [{ sku: uniqueName('sku'), quantity: 1, unitPriceMinor: 1_250 }],
});

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
  let receiver: SpanReceiver;
  let journey: Journey;

  beforeAll(async () => {
    await buildApps(['cli']);
    receiver = await SpanReceiver.start();
    journey = await Journey.start({}, { env: receiver.environment });
  }, 240_000);

  afterAll(async () => {
    await journey.end();
    await receiver.stop();
  }, 60_000);

  async function post(traceparent: string): Promise<string> {
    const headers = { traceparent, 'x-request-id': `req-${traceparent.slice(3, 11)}` };
    const answer = await journey.request('order-service', 'POST', '/orders', order(), headers);
    expect(answer.headers.get('x-request-id')).toBe(headers['x-request-id']);
    return ((await answer.json()) as { orderId: string }).orderId;
  }

  it('posted over HTTP is one tree from the request through all services', async () => {
    const { traceId, spanId, traceparent } = startTrace();
    await journey.settled(await post(traceparent));
    const spans = await receiver.wait(traceId, {
      ...LIFE,
      // Our own orders are registered before they are published: order-intake only looks at them.
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
    expect(childrenOf(spans, created).toSorted()).toEqual([
      'process orders.*.*',
      CREATED,
      CREATED,
      CREATED,
      'publish orders.created.v1',
    ]);
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
    const spans = await receiver.wait(traceId, LIFE);
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
    const spans = await receiver.wait(first.traceId, LIFE);
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

  it('is found in the logs of all services by its id', async () => {
    const { traceId, traceparent } = startTrace();
    const orderId = await post(traceparent);
    await journey.settled(orderId);
    await receiver.wait(traceId, LIFE);
    const lines = await logLines(traceId);
    const deliveries = lines.filter(({ msg }) => msg === 'delivery settled');
    expect(new Set(deliveries.map(({ consumer: durable }) => durable))).toEqual(
      new Set([
        'payment-orders',
        'inventory-orders',
        'order-intake',
        'order-payments',
        'order-inventory',
        'audit-orders',
        'audit-payments',
        'audit-inventory',
      ]),
    );
    const [charged] = deliveries.filter(({ consumer: durable }) => durable === 'payment-orders');
    expect(charged).toMatchObject({
      message_id: expect.any(String),
      order_id: orderId,
      span_id: expect.stringMatching(/^[\da-f]{16}$/),
      stream: 'ORDERS',
      attempt: 1,
      duration_ms: expect.any(Number),
      outcome: 'handled',
    });
    expect(receiver.of(traceId).map(({ spanId }) => spanId)).toContain(charged?.['span_id']);
    expect(lines.find(({ req }) => (req as { path?: string } | undefined)?.path === '/orders')).toMatchObject(
      {
        req: { id: `req-${traceId.slice(0, 8)}` },
        res: { status: 202 },
      },
    );
  }, 120_000);

  it('is what the exemplars of the histograms name', async () => {
    const { traceId, traceparent } = startTrace();
    const unsampled = startTrace();
    await journey.settled(await post(unsampled.traceparent.replace(/01$/, '00')));
    await journey.settled(await post(traceparent));
    await receiver.wait(traceId, LIFE);
    const exemplars = async (app: string) => {
      const response = await journey.request(app, 'GET', '/metrics');
      expect(response.headers.get('content-type')).toContain('application/openmetrics-text');
      const text = await response.text();
      expect(text).not.toContain(unsampled.traceId);
      return [...text.matchAll(/^(\w+)_bucket\{(.*)\} \d+ # \{trace_id="([\da-f]{32})"\}/gm)].map(
        ([, name = '', labels = '', id = '']) => ({ name, labels, id }),
      );
    };
    const ofPayments = await exemplars('payment-service');
    const ofOrders = await exemplars('order-service');
    expect(ofPayments).toContainEqual({
      name: 'jetstream_critical_time_seconds',
      labels: expect.stringContaining('consumer="payment-orders"'),
      id: traceId,
    });
    expect(ofOrders).toContainEqual({
      name: 'http_server_request_duration_seconds',
      labels: expect.stringContaining('route="/orders"'),
      id: traceId,
    });
    const received = new Set(receiver.spans.map((span) => span.traceId));
    const unknown = [...ofPayments, ...ofOrders].filter(({ id }) => !received.has(id));
    expect(unknown).toEqual([]);
  }, 120_000);

  it('that its client does not want recorded is carried on and logged, and no span is made of it', async () => {
    const { traceId, traceparent } = startTrace();
    await journey.settled(await post(traceparent.replace(/01$/, '00')));
    await waitFor('the lines of all consumers', async () => {
      const lines = await logLines(traceId);
      return new Set(lines.map(({ consumer: durable }) => durable).filter(Boolean)).size === 8;
    });
    expect(receiver.of(traceId)).toEqual([]);
  }, 120_000);

  describe('that the command line shows without a collector', () => {
    function trace(...args: string[]) {
      const { status, stdout, stderr } = spawnSync(process.execPath, [entryFileOf('cli'), 'trace', ...args], {
        encoding: 'utf8',
        env: { NATS_URL: journey.stack.natsUrl, ORDER_SERVICE_URL: journey.stack.urls['order-service'] },
      });
      return { status, stdout, stderr };
    }

    it('is a tree of messages, consumers and what they published', async () => {
      const { traceId, traceparent } = startTrace();
      const orderId = await post(traceparent);
      await journey.settled(orderId);
      await waitFor('all consumers to be done', async () =>
        (
          await Promise.all(['ORDERS', 'PAYMENTS', 'INVENTORY'].map((stream) => journey.isQuiet(stream)))
        ).every(Boolean),
      );
      const { status, stdout, stderr } = trace(orderId);
      expect([status, stderr]).toEqual([0, '']);
      const lines = stdout.trimEnd().split('\n');
      expect(lines.slice(0, 2)).toEqual([`order ${orderId}: confirmed`, `trace ${traceId}`]);
      expect(lines[2]).toMatch(/^orders\.created\.v1 {2}ORDERS:\d+ {2}\S+Z {2}by order-service$/);
      expect(stdout).toMatch(
        /─ payment-orders {2}settled\n│ {2}└─ payments\.completed\.v1 {2}PAYMENTS:\d+ {2}\+\d+ ms {2}by payment-service\n/,
      );
      expect(stdout).toMatch(/─ orders\.confirmed\.v1 {2}ORDERS:\d+ {2}\+\d+ ms {2}by order-service\n/);
      expect(stdout.match(/─ audit-\w+ {2}settled/g)).toHaveLength(4);
    }, 120_000);

    it('is found by a message id, and names dead letters', async () => {
      const message = articleMessage({ total_minor: 1 });
      await journey.publishBare('orders.created.v1', JSON.stringify(message));
      await waitFor('its dead letters', async () => {
        const letters = await journey.deadLetters('ORDERS_DLQ');
        return letters.filter(({ body }) => body.includes(message.message_id)).length === 3;
      });
      const { status, stdout } = trace(message.message_id, '--json');
      expect(status).toBe(0);
      const { version, kind, data } = JSON.parse(stdout) as {
        version: number;
        kind: string;
        data: OrderLife;
      };
      expect([version, kind, data.orderId, data.order]).toEqual([1, 'trace', message.order_id, null]);
      const [published] = data.messages;
      expect(published).toMatchObject({
        stream: 'ORDERS',
        source: null,
        cause: null,
        messageId: message.message_id,
      });
      const failed = published?.deliveries.filter(({ state }) => state === 'dead letter') ?? [];
      expect(failed.map(({ consumer: durable }) => durable).toSorted()).toEqual([
        'inventory-orders',
        'order-intake',
        'payment-orders',
      ]);
      expect(failed[0]?.deadLetter).toMatchObject({ errorCode: 'CONTRACT_INVALID', attempts: 1 });
    }, 120_000);

    it('ends with 4 for an id that nobody knows', () => {
      const { status, stdout, stderr } = trace(randomUUID());
      expect([status, stdout]).toEqual([4, '']);
      expect(stderr).toContain('nothing is known of');
    });
  });

  async function logLines(containing: string): Promise<Record<string, unknown>[]> {
    const logs = await Promise.all(APPS.map(({ name }) => journey.log(name)));
    return logs
      .flatMap((log) => log.split('\n'))
      .filter((line) => line.includes(containing))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }
});
