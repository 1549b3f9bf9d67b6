import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { uniqueName, waitFor } from '@slipstream/testing';
import { randomUUID } from 'node:crypto';
import { Journey, type Order } from './journey.ts';

const ORDERS = 500;
const REPEATED_ORDERS = 20;
const EVENTS = 100;
const COPIES = 3;
const CONCURRENT_CLIENTS = 10;

const lines = (quantity: number, unitPriceMinor: number) => [{ sku: 'sku-crash', quantity, unitPriceMinor }];
const orderOf = (index: number) => ({
  customerId: `cust-${index}`,
  currency: 'EUR',
  lines: lines(1 + (index % 3), 100 + index),
});
const totalOf = (index: number) => (1 + (index % 3)) * (100 + index);

const range = (length: number) => Array.from({ length }, (_, index) => index);

/** Runs the jobs with a bounded number of them under way. */
async function inParallel<T>(jobs: readonly (() => Promise<T>)[]): Promise<T[]> {
  const results: T[] = [];
  const queue = jobs.entries();
  const worker = async () => {
    for (const [index, job] of queue) results[index] = await job();
  };
  await Promise.all(Array.from({ length: CONCURRENT_CLIENTS }, worker));
  return results;
}

describe('orders survive crashes', () => {
  let journey: Journey;

  beforeAll(async () => {
    journey = await Journey.start();
  }, 240_000);

  afterAll(async () => {
    await journey.end();
  }, 60_000);

  it(`confirms ${ORDERS} orders and ${EVENTS} tripled events to the cent while payment-service is killed twice`, async () => {
    const startPid = journey.stack.pid('payment-service');
    const indices = [...range(ORDERS), ...range(REPEATED_ORDERS)];
    const placing = inParallel(
      indices.map((index) => () => journey.placeOrder(orderOf(index), `crash-${index}`)),
    );
    const foreign = Array.from({ length: EVENTS }, () => ({
      message_id: randomUUID(),
      order_id: randomUUID(),
    }));
    const publishing = inParallel(
      foreign.flatMap((ids) => {
        const event = { ...ids, customer_id: 'cust-123', total_amount: 99.95, created_at: Date.now() };
        const copy = () => journey.publishDurably('orders.created.v1', JSON.stringify(event));
        return Array.from({ length: COPIES }, () => copy);
      }),
    );
    for (const share of [0.15, 0.5]) {
      await waitFor(
        'a part of the charges',
        async () => (await journey.gateway()).charges >= share * ORDERS,
        120_000,
      );
      await journey.stack.kill('payment-service', 'SIGKILL');
      await journey.stack.ready('payment-service');
    }
    const placed = await placing;
    await publishing;

    expect(placed.slice(ORDERS)).toEqual(placed.slice(0, REPEATED_ORDERS));
    const ids = [...new Set(placed), ...foreign.map(({ order_id }) => order_id)];
    expect(ids).toHaveLength(ORDERS + EVENTS);
    const settled = await inParallel(ids.map((orderId) => () => journey.settled(orderId, 120_000)));
    expect(settled.filter(({ status }) => status !== 'confirmed')).toEqual([]);

    const total = indices.slice(0, ORDERS).reduce((sum, index) => sum + totalOf(index), 0) + EVENTS * 9_995;
    const sum = settled.reduce((all: number, { totalMinor }: Order) => all + totalMinor, 0);
    expect(sum).toBe(total);
    await waitFor('every copy to be settled', () => journey.isQuiet('ORDERS'), 60_000);
    expect(await journey.gateway()).toEqual({
      charges: ORDERS + EVENTS,
      distinctOrders: ORDERS + EVENTS,
      duplicateCharges: 0,
      refunds: 0,
      amountMinor: total,
    });
    expect(await journey.deadLetters('ORDERS_DLQ')).toEqual([]);
    expect(await journey.read('audit-service', '/verify')).toMatchObject({ ok: true, problems: [] });
    expect(journey.stack.pid('payment-service')).not.toBe(startPid);
  }, 300_000);

  it.each(['nats', 'postgres'])(
    'confirms an order that was accepted just before %s was killed',
    async (server) => {
      const before = await journey.gateway();
      // Without its payment the order is still under way when the server dies.
      await journey.stack.halt('payment-service');
      const orderId = await journey.placeOrder(orderOf(1), uniqueName('key'));
      await journey.stack.kill(server, 'SIGKILL');
      await journey.stack.ready(server);
      await journey.stack.resume('payment-service');
      expect(await journey.settled(orderId, 120_000)).toMatchObject({ status: 'confirmed' });
      const after = await journey.gateway();
      expect(after.charges - before.charges).toBe(1);
      expect(after.duplicateCharges).toBe(0);
    },
    240_000,
  );

  it('answers 503 with a problem while the database is away, and takes the same order once it is back', async () => {
    const key = uniqueName('key');
    await journey.stack.halt('postgres');
    const headers = { 'idempotency-key': key };
    const answer = await journey.request('order-service', 'POST', '/orders', orderOf(3), headers);
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({ status: 503, detail: 'the database is not available' });
    await journey.stack.resume('postgres');
    expect(await journey.settled(await journey.placeOrder(orderOf(3), key))).toMatchObject({
      status: 'confirmed',
    });
  }, 120_000);

  it('accepts and confirms an order after both servers were killed', async () => {
    const orderId = await journey.placeOrder(orderOf(2), uniqueName('key'));
    expect(await journey.settled(orderId, 60_000)).toMatchObject({ status: 'confirmed' });
  }, 120_000);
});
