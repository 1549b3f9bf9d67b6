import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { uniqueName, waitFor } from '@slipstream/testing';
import { randomUUID } from 'node:crypto';
import { articleMessage } from './article-message.ts';
import { Journey, type GatewayStats, type Order } from './journey.ts';

const CONSUMERS_THAT_READ_ORDERS = ['inventory-orders', 'order-intake', 'payment-orders'];

const line = (sku: string, quantity = 1, unitPriceMinor = 1_250) => ({ sku, quantity, unitPriceMinor });
const order = (...lines: object[]) => ({ customerId: 'cust-1', currency: 'EUR', lines });
const events = ({ history }: Order) => history.map(({ event }) => event);

describe('an order', () => {
  let journey: Journey;
  let before: GatewayStats;

  /** What the gateway did since the test began. */
  async function charged() {
    const { charges, refunds, amountMinor, duplicateCharges } = await journey.gateway();
    return {
      charges: charges - before.charges,
      refunds: refunds - before.refunds,
      amountMinor: amountMinor - before.amountMinor,
      duplicateCharges,
    };
  }

  beforeAll(async () => {
    journey = await Journey.start();
  }, 240_000);

  beforeEach(async () => {
    before = await journey.gateway();
  });

  afterAll(async () => {
    await journey.end();
  }, 60_000);

  it('posted over HTTP is charged once, reserved and confirmed, with its history', async () => {
    const sku = uniqueName('sku');
    const orderId = await journey.placeOrder(order(line(sku, 2)), uniqueName('key'));
    const settled = await journey.settled(orderId);
    expect(settled).toMatchObject({
      status: 'confirmed',
      totalMinor: 2_500,
      currency: 'EUR',
      customerId: 'cust-1',
    });
    expect(events(settled).toSorted()).toEqual([
      'inventory.reserved',
      'orders.confirmed',
      'orders.created',
      'payments.completed',
    ]);
    expect(events(settled)[0]).toBe('orders.created');
    expect(events(settled).at(-1)).toBe('orders.confirmed');
    expect(await charged()).toEqual({ charges: 1, refunds: 0, amountMinor: 2_500, duplicateCharges: 0 });
    expect(await journey.read('inventory-service', `/stock/${sku}`)).toMatchObject({ reserved: 2 });
  });

  it('posted ten times at once with one Idempotency-Key is one order', async () => {
    const key = uniqueName('key');
    const body = order(line(uniqueName('sku')));
    const ids = await Promise.all(Array.from({ length: 10 }, () => journey.placeOrder(body, key)));
    expect(new Set(ids).size).toBe(1);
    await journey.settled(ids[0] ?? '');
    expect(await charged()).toMatchObject({ charges: 1 });
  });

  it('posted with a used Idempotency-Key and another body is refused with 422', async () => {
    const key = uniqueName('key');
    await journey.placeOrder(order(line('sku-1')), key);
    const headers = { 'idempotency-key': key };
    const answer = await journey.request('order-service', 'POST', '/orders', order(line('sku-2')), headers);
    expect(answer.status).toBe(422);
    expect(await answer.json()).toMatchObject({ status: 422, errors: [{ field: 'Idempotency-Key' }] });
  });

  it.each([
    ['no lines', { ...order(), lines: [] }, 'lines'],
    ['a negative quantity', order(line('sku-1', -1)), 'lines[0].quantity'],
    ['a fractional price', order(line('sku-1', 1, 12.5)), 'lines[0].unitPriceMinor'],
    ['a currency that is none', { ...order(line('sku-1')), currency: 'euro' }, 'currency'],
    ['a customer with a wildcard', { ...order(line('sku-1')), customerId: 'cust.*' }, 'customerId'],
    ['a field nobody knows', { ...order(line('sku-1')), discount: 5 }, 'discount'],
  ])('with %s is refused with the field and the reason, and nothing is stored', async (_, body, field) => {
    const count = async () =>
      (await journey.read<{ orders: unknown[] }>('order-service', '/orders?limit=500')).orders.length;
    const stored = await count();
    const answer = await journey.request('order-service', 'POST', '/orders', body);
    expect(answer.status).toBe(400);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    const problem = (await answer.json()) as { errors: { field: string; reason: string }[] };
    expect(problem.errors.map((error) => error.field)).toContain(field);
    expect(await count()).toBe(stored);
  });

  it("in the article's five fields, published over core NATS without headers, is registered, charged, reserved and audited", async () => {
    const message = articleMessage();
    await journey.publishBare('orders.created.v1', JSON.stringify(message));
    const settled = await journey.settled(message.order_id);
    expect(settled).toMatchObject({ status: 'confirmed', totalMinor: 9_995, currency: 'USD' });
    expect(events(settled)).toContain('inventory.reserved');
    expect(await charged()).toEqual({ charges: 1, refunds: 0, amountMinor: 9_995, duplicateCharges: 0 });
    await waitFor('the audit to have caught up', () => journey.isQuiet('ORDERS'));
    expect(await journey.read('audit-service', '/verify')).toMatchObject({ ok: true, problems: [] });
  });

  it('published as v1 and as v2 with one message id, and again with another id, is charged once', async () => {
    const v1 = articleMessage();
    const { message_id, order_id, customer_id, created_at } = v1;
    const v2 = {
      message_id,
      order_id,
      customer_id,
      created_at,
      currency: 'USD',
      total_minor: 9_995,
      lines: [],
    };
    await journey.publishBare('orders.created.v1', JSON.stringify(v1));
    await journey.publishBare('orders.created.v2', JSON.stringify(v2));
    await journey.publishBare('orders.created.v1', JSON.stringify({ ...v1, message_id: randomUUID() }));
    await journey.settled(order_id);
    await waitFor('all copies to be settled', () => journey.isQuiet('ORDERS'));
    expect(await charged()).toEqual({ charges: 1, refunds: 0, amountMinor: 9_995, duplicateCharges: 0 });
  });

  it('for more pieces than there are is cancelled, its money given back and no stock taken', async () => {
    const sku = uniqueName('sku');
    await journey.request('inventory-service', 'PUT', `/stock/${sku}`, { onHand: 1 });
    const orderId = await journey.placeOrder(order(line(uniqueName('sku')), line(sku, 2)), uniqueName('key'));
    expect(await journey.settled(orderId)).toMatchObject({
      status: 'cancelled',
      reason: expect.stringContaining(sku),
    });
    await waitFor(
      'the money to be back',
      async () => (await charged()).amountMinor === 0 && journey.isQuiet('ORDERS'),
    );
    expect(await journey.read('inventory-service', `/stock/${sku}`)).toMatchObject({
      onHand: 1,
      reserved: 0,
    });
  });

  it('whose payment is declined is cancelled and its stock released', async () => {
    const sku = uniqueName('sku');
    await journey.setFaults({ mode: 'decline', ratio: 1 });
    try {
      const orderId = await journey.placeOrder(order(line(sku, 3)), uniqueName('key'));
      expect(await journey.settled(orderId)).toMatchObject({
        status: 'cancelled',
        reason: expect.stringContaining('declined'),
      });
      await waitFor('the release', async () => {
        const { reserved } = await journey.read<{ reserved: number }>('inventory-service', `/stock/${sku}`);
        return reserved === 0 && journey.isQuiet('ORDERS');
      });
      expect(await charged()).toMatchObject({ charges: 0, amountMinor: 0 });
    } finally {
      await journey.setFaults({ mode: 'ok' });
    }
  });

  it('is charged once although the gateway charges and drops the answer', async () => {
    await journey.setFaults({ mode: 'ambiguous', ratio: 1 });
    const orderId = await journey.placeOrder(order(line(uniqueName('sku'))), uniqueName('key'));
    await waitFor('the charge', async () => (await charged()).charges === 1);
    await journey.setFaults({ mode: 'ok' });
    expect(await journey.settled(orderId)).toMatchObject({ status: 'confirmed' });
    expect(await charged()).toEqual({ charges: 1, refunds: 0, amountMinor: 1_250, duplicateCharges: 0 });
  });

  it('around a poison message is processed, and the poison reaches orders.dlq once for each consumer that cannot read it', async () => {
    const poison = `{"message_id": "${uniqueName('poison')}", oops`;
    const neighbours = [articleMessage(), articleMessage()];
    await journey.publishBare('orders.created.v1', JSON.stringify(neighbours[0]));
    await journey.publishBare('orders.created.v1', poison);
    await journey.publishBare('orders.created.v1', JSON.stringify(neighbours[1]));
    for (const { order_id } of neighbours)
      expect(await journey.settled(order_id)).toMatchObject({ status: 'confirmed' });
    await waitFor('everybody to be done with it', () => journey.isQuiet('ORDERS'));
    const letters = (await journey.deadLetters('ORDERS_DLQ')).filter(({ body }) => body === poison);
    expect(letters.map(({ header }) => header('dead-letter-consumer')).toSorted()).toEqual(
      CONSUMERS_THAT_READ_ORDERS,
    );
    for (const { header } of letters) {
      expect(header('dead-letter-code')).toBe('CONTRACT_MALFORMED');
      expect(header('dead-letter-message')).toContain('body is not JSON');
    }
    expect(await journey.read('audit-service', '/verify')).toMatchObject({ ok: true, problems: [] });
  });

  it.each([
    'console',
    'order-service',
    'payment-service',
    'inventory-service',
    'audit-service',
    'order-producer',
    'payment-gateway',
  ])(
    '%s drains and exits with 0 on SIGTERM',
    async (app) => {
      const seen = journey.events.length;
      await journey.stack.kill(app, 'SIGTERM');
      await journey.stack.ready(app);
      expect(journey.events.slice(seen)).toContainEqual(
        expect.objectContaining({ name: app, kind: 'failed', reason: expect.stringContaining('code 0') }),
      );
    },
    60_000,
  );
});
