import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { ProblemException } from '@slipstream/bootstrap';
import { isDatabaseUnavailable } from '@slipstream/postgres';
import { uniqueName, waitFor } from '@slipstream/testing';
import type { AcceptedOrderDto, PlaceOrderDto } from '../src/orders.dto.js';
import { OrdersController } from '../src/orders.controller.js';
import { createOrderDatabase, type OrderDatabase, type OrderProcess } from './harness.js';

const COPIES = 100;

const orderOf = (quantity: number): PlaceOrderDto => ({
  customerId: 'cust-1',
  currency: 'EUR',
  lines: [{ sku: 'sku-1', quantity, unitPriceMinor: 100 }],
});

/** Orders that may wait beside those whose transaction is under way. */
const LIMIT = 5_000;

/** Places orders until one is refused. */
async function untilRefused(place: () => Promise<AcceptedOrderDto>): Promise<Promise<AcceptedOrderDto>[]> {
  const placed: Promise<AcceptedOrderDto>[] = [];
  for (;;) {
    const next = place();
    const state = await Promise.race([next.catch(() => 'refused'), nextTurn('waits')]);
    if (state === 'refused') return placed;
    placed.push(next);
  }
}

async function nextTurn<T>(value: T): Promise<T> {
  await new Promise((resolve) => setImmediate(resolve));
  return value;
}

function accepted(answers: readonly PromiseSettledResult<AcceptedOrderDto>[]): string[] {
  return answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value.orderId : []));
}

function refused(answers: readonly PromiseSettledResult<AcceptedOrderDto>[]): unknown[] {
  return answers.flatMap((answer) => (answer.status === 'rejected' ? answer.reason : []));
}

describe('placing orders', () => {
  let database: OrderDatabase;
  let processes: [OrderProcess, OrderProcess];

  /** Requests at the same time, in turns by both processes. */
  const placeAll = (requests: readonly [PlaceOrderDto, string | undefined][]) =>
    Promise.allSettled(
      requests.map(([input, key], index) => (processes[index % 2] ?? processes[0]).service.place(input, key)),
    );

  beforeAll(async () => {
    database = await createOrderDatabase();
    processes = [database.process(), database.process()];
  });

  afterAll(() => database.drop());

  it('stores each order with its event and the begin of its history', async () => {
    const answers = await placeAll([1, 2, 3].map((quantity) => [orderOf(quantity), undefined]));
    expect(new Set(accepted(answers)).size).toBe(3);
    for (const [index, orderId] of accepted(answers).entries()) {
      const order = await processes[0].service.find(orderId);
      expect(order).toMatchObject({
        status: 'pending',
        totalMinor: (index + 1) * 100,
        lines: orderOf(index + 1).lines,
      });
      expect(order?.history.map(({ event }) => event)).toEqual(['orders.created']);
      expect(await processes[0].published(orderId)).toEqual(['orders.created.v1']);
    }
  });

  it(`makes one order of ${COPIES} concurrent copies of a request, in groups and processes that race`, async () => {
    const key = uniqueName('key');
    const answers = await placeAll(Array.from({ length: COPIES }, () => [orderOf(1), key]));
    const ids = accepted(answers);
    expect(ids).toHaveLength(COPIES);
    expect(new Set(ids).size).toBe(1);
    expect(await processes[0].published(ids[0] ?? '')).toEqual(['orders.created.v1']);
  });

  it(`accepts one body and refuses the others of ${COPIES} concurrent requests with one key`, async () => {
    const key = uniqueName('key');
    const answers = await placeAll(
      Array.from({ length: COPIES }, (_, index) => [orderOf(1 + (index % 4)), key]),
    );
    expect(new Set(accepted(answers)).size).toBe(1);
    expect(accepted(answers)).toHaveLength(COPIES / 4);
    expect(refused(answers)).toHaveLength((COPIES / 4) * 3);
    for (const error of refused(answers)) {
      expect(error).toBeInstanceOf(ProblemException);
      expect((error as ProblemException).getStatus()).toBe(422);
    }
  });

  it('answers a copy that comes later with the same order, and its neighbours with theirs', async () => {
    const key = uniqueName('key');
    const first = await processes[0].service.place(orderOf(1), key);
    const answers = await placeAll([
      [orderOf(2), undefined],
      [orderOf(1), undefined],
      [orderOf(1), key],
      [orderOf(2), key],
    ]);
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'rejected']);
    expect(accepted(answers)[2]).toBe(first.orderId);
    expect(new Set(accepted(answers)).size).toBe(3);
  });

  it('fails one order that the database cannot store and stores its neighbours', async () => {
    const unstorable = Object.assign(orderOf(1), { customerId: 'cust\u0000' });
    const answers = await placeAll([
      [orderOf(1), undefined],
      [orderOf(1), undefined],
      [unstorable, undefined],
      [orderOf(1), undefined],
      [orderOf(1), undefined],
    ]);
    expect(refused(answers)).toHaveLength(1);
    for (const orderId of accepted(answers)) {
      expect(await processes[0].published(orderId)).toEqual(['orders.created.v1']);
    }
  });

  it('fails what was under way when the database broke off, as unavailable, and takes what comes after', async () => {
    const [{ service, dataSource }] = processes;
    const unlock = await database.lockOrders();
    const placed = Promise.allSettled([1, 2, 3].map(() => service.place(orderOf(1), undefined)));
    await waitFor('the group to wait for the lock', async () => {
      const ended: unknown[] = await dataSource.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      );
      return ended.length > 0;
    });
    const answers = await placed;
    await unlock();
    expect(refused(answers)).toHaveLength(3);
    for (const error of refused(answers)) expect(isDatabaseUnavailable(error)).toBe(true);
    expect(await service.place(orderOf(1), undefined)).toMatchObject({ status: 'pending' });
  });

  it('forgets keys when they are old enough, and takes them for new orders then', async () => {
    const [old, young] = [uniqueName('key'), uniqueName('key')];
    const first = await processes[0].service.place(orderOf(1), old);
    const second = await processes[0].service.place(orderOf(1), young);
    await processes[0].dataSource.query(
      `UPDATE idempotency_keys SET created_at = now() - interval '2 days' WHERE key = $1`,
      [old],
    );
    expect(await processes[0].keys.prune(86_400_000)).toBe(1);
    expect(await processes[0].keys.prune(86_400_000)).toBe(0);
    expect((await processes[0].service.place(orderOf(2), old)).orderId).not.toBe(first.orderId);
    expect((await processes[0].service.place(orderOf(1), young)).orderId).toBe(second.orderId);
  });

  it('lists every order once over pages that are read while others are placed', async () => {
    const before = accepted(await placeAll(Array.from({ length: 25 }, () => [orderOf(1), undefined])));
    const seen: string[] = [];
    let after: string | undefined;
    do {
      const page = await processes[0].service.list({ status: 'pending', after, limit: 7 });
      seen.push(...page.orders.map(({ orderId }) => orderId));
      after = page.next ?? undefined;
      if (seen.length < 50) await placeAll([[orderOf(1), undefined]]);
    } while (after !== undefined);
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen).toEqual(seen.toSorted());
    expect(seen).toEqual(expect.arrayContaining(before));
  });

  it('finds the few pending orders among many others without reading those', async () => {
    const { dataSource, service } = processes[0];
    await dataSource.query(
      `INSERT INTO orders (order_id, customer_id, currency, total_minor, lines, created_at, payment, inventory)
       SELECT '0' || lpad(n::text, 8, '0'), 'cust-1', 'EUR', 100, '[]', now(), 'completed', 'reserved' FROM generate_series(1, 20000) AS n`,
    );
    await dataSource.query('ANALYZE orders');
    const queries = jest.spyOn(dataSource, 'query');
    await service.list({ status: 'pending', after: '0', limit: 1 });
    const [text = '', values = []] = queries.mock.lastCall ?? [];
    queries.mockRestore();
    const plan = await dataSource.transaction(async (tx) => {
      // As the connections of a service are.
      await tx.query('SET LOCAL plan_cache_mode = force_generic_plan');
      for (const way of ['seqscan', 'bitmapscan']) await tx.query(`SET LOCAL enable_${way} = off`);
      await tx.query(`PREPARE listing AS ${text}`);
      const parameters = (values as (string | number)[]).map((value) => `'${value}'`);
      return tx.query(`EXPLAIN EXECUTE listing (${parameters.join()})`);
    });
    expect(JSON.stringify(plan)).toContain('orders_by_status');
  });

  it.each(['nobody', '\u0000', 'o'.repeat(10_000)])('knows no order %j and says so', async (orderId) => {
    const controller = new OrdersController(processes[0].service);
    await expect(controller.find(orderId)).rejects.toMatchObject({ status: 404 });
  });

  it('refuses with 503 and Retry-After what would wait too long, and stores the rest once it can', async () => {
    const [{ service }] = processes;
    const unlock = await database.lockOrders();
    const waiting = Array.from({ length: LIMIT }, () => service.place(orderOf(1), undefined));
    waiting.push(...(await untilRefused(() => service.place(orderOf(1), undefined))));
    await expect(service.place(orderOf(1), undefined)).rejects.toMatchObject({
      status: 503,
      headers: { 'Retry-After': '1' },
    });
    await unlock();
    expect(new Set((await Promise.all(waiting)).map(({ orderId }) => orderId)).size).toBe(waiting.length);
    expect(await service.place(orderOf(1), undefined)).toMatchObject({ status: 'pending' });
  });
});
