import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SpanReceiver, waitFor } from '@slipstream/testing';
import { randomUUID } from 'node:crypto';
import { APPS } from '../../tools/stack/apps.ts';
import { Journey } from './journey.ts';

/** Found nowhere by chance. */
const CANARY = 'kanarienvogel';
const canary = (where: string) => `${CANARY}-${where}`;

/** Everything that anybody could read who may read no message and no configuration. */
describe('what the system writes', () => {
  let receiver: SpanReceiver;
  let journey: Journey;

  beforeAll(async () => {
    receiver = await SpanReceiver.start();
    const env = {
      ...receiver.environment,
      LOG_LEVEL: 'debug',
      // Files are no terminal: lines for people would be no JSON.
      LOG_PRETTY: '1',
      OTEL_EXPORTER_OTLP_HEADERS: `authorization=${canary('collector')}`,
      STRIPE_API_KEY: canary('stripe'),
      S3_SECRET_ACCESS_KEY: canary('s3'),
    };
    journey = await Journey.start({}, { env });
  }, 240_000);

  afterAll(async () => {
    await journey.end();
    await receiver.stop();
  }, 60_000);

  async function everything(): Promise<Record<string, string>> {
    const apps = APPS.map(({ name }) => name);
    const logs = await Promise.all(
      apps.map(async (app) => [`log of ${app}`, await journey.log(app)] as const),
    );
    const metrics = await Promise.all(
      apps.map(async (app) => {
        const response = await journey.request(app, 'GET', '/metrics');
        return [`metrics of ${app}`, await response.text()] as const;
      }),
    );
    const letters = await journey.deadLetters('ORDERS_DLQ');
    const added = letters.flatMap(({ names, header }) =>
      names.filter((name) => name.startsWith('dead-letter-')).map((name) => header(name)),
    );
    return {
      ...Object.fromEntries([...logs, ...metrics]),
      spans: receiver.raw,
      'dead letters': added.join('\n'),
    };
  }

  it('holds no secret of its configuration and nothing of what requests and messages hold', async () => {
    const order = {
      customerId: canary('customer'),
      currency: 'EUR',
      lines: [{ sku: canary('sku'), quantity: 20_000, unitPriceMinor: 1 }],
    };
    const headers = { authorization: `Bearer ${canary('bearer')}`, cookie: canary('cookie') };
    const post = (body: unknown) =>
      journey.request('order-service', 'POST', `/orders?token=${canary('query')}`, body, headers);
    expect((await post(order)).status).toBe(400);
    expect((await post(`{"customerId": "${canary('json')}", oops`)).status).toBe(400);
    const lines = [{ sku: canary('sku'), quantity: 2, unitPriceMinor: 1 }];
    const accepted = await post({ ...order, lines });
    expect(accepted.status).toBe(202);
    await journey.request('inventory-service', 'PUT', `/stock/sku-1?token=${canary('query')}`, { onHand: 1 });

    const message = { message_id: randomUUID(), order_id: randomUUID(), created_at: Date.now() };
    const poison = [
      `{"message_id": "${canary('malformed')}", oops`,
      JSON.stringify({ ...message, customer_id: canary('not an id'), total_amount: 1 }),
      JSON.stringify({
        ...message,
        customer_id: canary('id'),
        total_amount: 1,
        currency: canary('currency'),
      }),
    ];
    for (const body of poison) {
      await journey.publishBare('orders.created.v1', body, {
        authorization: canary('header'),
        'x-trace': canary('x'),
      });
    }
    await journey.publishBare('orders.created.v1', '{}', { 'content-type': `text/${canary('type')}` });
    const copies = (poison.length + 1) * 3;
    await waitFor(
      'the dead letters',
      async () => (await journey.deadLetters('ORDERS_DLQ')).length === copies,
    );
    const { orderId } = (await accepted.json()) as { orderId: string };
    await journey.settled(orderId);
    const expected = ['POST /orders', 'publish audit.heads.ORDERS', 'publish payments.completed.v1'];
    await waitFor('the spans of what came through and of what failed', () => {
      const refused = receiver.spans.filter(({ name, isError }) => name.startsWith('process') && isError);
      const names = new Set(receiver.spans.map(({ name }) => name));
      return refused.length >= copies && expected.every((name) => names.has(name));
    });
    // What must not be written is there to be written.
    expect(receiver.deliveries[0]?.headers.authorization).toBe(canary('collector'));
    expect(
      (await journey.deadLetters('ORDERS_DLQ')).filter(({ body }) => body.includes(CANARY)),
    ).toHaveLength(9);

    const written = await everything();
    expect(Object.values(written).every((text) => text.length > 0)).toBe(true);
    const found = Object.entries(written).flatMap(([where, text]) =>
      [...text.matchAll(new RegExp(`.{0,60}${CANARY}-[\\w ]+`, 'g'))].map(([line]) => `${where}: ${line}`),
    );
    expect(found).toEqual([]);
  }, 120_000);

  it('has one line of JSON for each thing it says, whatever is said to it', async () => {
    const forged = '{"level":"fatal","msg":"forged"}';
    const nasty = `\r\n${forged}\r\n\u001b[31m\u009b2J\u2028`;
    const huge = 'x'.repeat(200_000);
    const subject = 'orders.created.v1';
    const base = { order_id: randomUUID(), customer_id: 'cust-1', total_amount: 1, created_at: Date.now() };
    const before = (await journey.deadLetters('ORDERS_DLQ')).length;
    for (const id of [nasty, huge])
      await journey.publishBare(subject, JSON.stringify({ ...base, message_id: id }));
    await journey.publishBare(
      subject,
      JSON.stringify({ ...base, message_id: randomUUID(), [nasty]: nasty, currency: nasty }),
    );
    await waitFor(
      'the dead letters',
      async () => (await journey.deadLetters('ORDERS_DLQ')).length === before + 9,
    );
    const path = `/orders/${encodeURIComponent(nasty)}`;
    const ids = { 'x-request-id': `${'i'.repeat(200)} forged` };
    expect((await journey.request('order-service', 'GET', path, undefined, ids)).status).toBe(404);
    const lines = (await Promise.all(APPS.map(({ name }) => journey.log(name)))).join('').trim().split('\n');
    expect(lines.filter((line) => line.length > 20_000)).toEqual([]);
    expect(lines.join('')).not.toMatch(/[\p{Cc}\u2028]/u);
    const spoken = lines.map((line) => JSON.parse(line) as { level: string; msg: string });
    expect(spoken.filter(({ level, msg }) => level === 'fatal' || msg === 'forged')).toEqual([]);
    for (const { names, header } of await journey.deadLetters('ORDERS_DLQ')) {
      expect(names.some((name) => name.includes('level'))).toBe(false);
      expect(header('dead-letter-message').length).toBeLessThanOrEqual(1_024);
    }
  }, 120_000);
});
