import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { OrderLife } from '@slipstream/operations';
import { waitFor, type SpanReceiver } from '@slipstream/testing';
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { APPS } from '../../tools/stack/apps.ts';
import { buildApps } from '../../tools/stack/build.ts';
import { entryFileOf } from '../../tools/stack/units.ts';
import { articleMessage } from './article-message.ts';
import type { Journey } from './journey.ts';
import { CONSUMERS, LIFE, requestIdOf, startTrace, TracedSystem } from './traced-system.ts';

describe('the trace of an order', () => {
  let system: TracedSystem;
  let receiver: SpanReceiver;
  let journey: Journey;

  const post = (traceparent: string) => system.post(traceparent);

  beforeAll(async () => {
    await buildApps(['cli']);
    system = await TracedSystem.start();
    ({ receiver, journey } = system);
  }, 240_000);

  afterAll(async () => {
    await system.end();
  }, 60_000);

  it('is found in the logs of all services by its id', async () => {
    const { traceId, traceparent } = startTrace();
    const orderId = await post(traceparent);
    await journey.settled(orderId);
    await receiver.wait(traceId, LIFE);
    const lines = await logLines(traceId);
    const deliveries = lines.filter(({ msg }) => msg === 'delivery settled');
    expect(deliveries.map(({ consumer: durable }) => durable)).toEqual(expect.arrayContaining(CONSUMERS));
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
        req: { id: requestIdOf(traceparent) },
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
      const told = new Set((await logLines(traceId)).map(({ consumer: durable }) => durable));
      return CONSUMERS.every((durable) => told.has(durable));
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

    it('says that it does not know the status while order-service cannot be asked', async () => {
      const message = articleMessage();
      await journey.publishBare('orders.created.v1', JSON.stringify(message));
      const { status, stdout } = trace(message.order_id, '--orders-url', 'http://127.0.0.1:1');
      expect(status).toBe(0);
      expect(stdout).toContain(`order ${message.order_id}: status unknown\n`);
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
