import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { newEvent, type OrderCreated } from '@slipstream/contracts';
import { uniqueName } from '@slipstream/testing';
import { register as metrics } from 'prom-client';
import { HousekeepingService } from '../src/housekeeping.service.js';
import type { SagaService } from '../src/saga.service.js';
import { createOrderDatabase, type OrderDatabase, type OrderProcess } from './harness.js';

const NEVER_MS = 3_600_000;
const RACES = 40;

const orderOf = (orderId = uniqueName('order')): OrderCreated => ({
  ...newEvent(orderId),
  customerId: 'cust-1',
  currency: 'EUR',
  totalMinor: 100,
  lines: [],
});

describe('the saga of an order', () => {
  let database: OrderDatabase;
  let process: OrderProcess;
  let saga: SagaService;

  const identities = (events: readonly { messageId: string }[]) =>
    events.map(({ messageId }) => ({ consumer: 'test', messageId }));
  const register = (...orders: OrderCreated[]) => saga.register(orders, identities(orders));
  const paid = (...orderIds: string[]) => {
    const events = orderIds.map(newEvent);
    return saga.advance(events, identities(events), {
      event: 'payments.completed',
      toFacts: () => ({ payment: 'completed' }),
    });
  };
  const reserved = (...orderIds: string[]) => {
    const events = orderIds.map(newEvent);
    return saga.advance(events, identities(events), {
      event: 'inventory.reserved',
      toFacts: () => ({ inventory: 'reserved' }),
    });
  };
  const expireAll = async () => {
    while ((await saga.expire(0)) > 0);
  };
  const events = async (orderId: string) =>
    (await process.orders.find(orderId))?.history.map(({ event }) => event);

  beforeAll(async () => {
    database = await createOrderDatabase();
    process = database.process();
    ({ saga } = process);
  });

  afterAll(() => database.drop());

  it('confirms what is paid and reserved, in batches of orders that are at different points', async () => {
    const [whole, unpaid, first] = [orderOf(), orderOf(), orderOf()];
    await paid(first.orderId);
    await register(whole, unpaid, first);
    await reserved(whole.orderId, unpaid.orderId, first.orderId);
    await paid(whole.orderId);
    expect(await process.orders.find(whole.orderId)).toMatchObject({ status: 'confirmed', reason: null });
    expect(await process.orders.find(unpaid.orderId)).toMatchObject({ status: 'pending' });
    expect(await events(first.orderId)).toEqual([
      'payments.completed',
      'orders.created',
      'inventory.reserved',
      'orders.confirmed',
    ]);
    expect(await process.published(whole.orderId)).toEqual(['orders.confirmed.v1']);
  });

  it('measures how long orders took that came to their end, and counts the others by what they wait for', async () => {
    metrics.resetMetrics();
    const value = async (series: string) => {
      const text = await metrics.metrics();
      return Number(
        text
          .split('\n')
          .find((line) => line.startsWith(`${series} `))
          ?.split(' ')[1],
      );
    };
    const waiting = (what: string) => value(`orders_pending{waiting_for="${what}"}`);
    await expireAll();
    metrics.resetMetrics();
    const [whole, unpaid, fresh, late] = [orderOf(), orderOf(), orderOf(), orderOf()];
    await register(whole, unpaid, fresh, late);
    await reserved(whole.orderId, unpaid.orderId);
    await paid(whole.orderId, late.orderId, uniqueName('unregistered'));
    await process.metrics.count();
    expect(await value('order_settlement_duration_seconds_count{status="confirmed"}')).toBe(1);
    expect(await waiting('payment')).toBe(1);
    expect(await waiting('inventory')).toBe(1);
    expect(await waiting('payment_and_inventory')).toBe(1);
    expect(await waiting('registration')).toBe(1);
    expect(await value('orders_pending_oldest_age_seconds')).toBeGreaterThan(0);
    await expireAll();
    await process.metrics.count();
    expect(await value('order_settlement_duration_seconds_count{status="cancelled"}')).toBe(4);
    expect(await waiting('payment')).toBe(0);
    expect(await value('orders_pending_oldest_age_seconds')).toBe(0);
  });

  it('takes one order of those that come twice in a batch', async () => {
    const order = orderOf();
    await register(order, order, { ...order, ...newEvent(order.orderId) });
    await paid(order.orderId, order.orderId);
    expect(await events(order.orderId)).toEqual([
      'orders.created',
      'payments.completed',
      'payments.completed',
    ]);
  });

  it('tells once how an order ended when its transaction is repeated', async () => {
    const order = orderOf();
    await register(order);
    await paid(order.orderId);
    const { dataSource } = process;
    await dataSource.query('CREATE SEQUENCE history_entries');
    await dataSource.query(`
      CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF nextval('history_entries') = 1 THEN RAISE EXCEPTION 'conflict' USING ERRCODE = '40001'; END IF;
        RETURN NULL;
      END $$`);
    await dataSource.query(
      'CREATE TRIGGER fail_once AFTER INSERT ON order_history FOR EACH STATEMENT EXECUTE FUNCTION fail_once()',
    );
    await reserved(order.orderId);
    await dataSource.query('DROP TRIGGER fail_once ON order_history');
    expect(await process.published(order.orderId)).toEqual(['orders.confirmed.v1']);
    expect((await events(order.orderId))?.filter((event) => event === 'orders.confirmed')).toHaveLength(1);
  });

  it('registers an order whose time no calendar in use knows, as its contract allows', async () => {
    const late = { ...orderOf(), createdAt: 8_640_000_000_000_000 };
    await register(late);
    expect((await process.orders.find(late.orderId))?.createdAt).toEqual(new Date(late.createdAt));
  });

  it('cancels once an order that did not settle in time, however many processes look', async () => {
    const orders = Array.from({ length: 20 }, () => orderOf());
    await register(...orders);
    expect(await saga.expire(NEVER_MS)).toBe(0);
    await Promise.all(Array.from({ length: 5 }, () => database.process().saga.expire(0)));
    await expireAll();
    for (const { orderId } of orders) {
      expect(await process.orders.find(orderId)).toMatchObject({
        status: 'cancelled',
        reason: expect.stringContaining('not settled within'),
      });
      expect(await process.published(orderId)).toEqual(['orders.cancelled.v1']);
    }
  });

  it('counts the time from when the order was noted, whatever the event says', async () => {
    const old = { ...orderOf(), createdAt: 0 };
    await register(old);
    expect(await saga.expire(NEVER_MS)).toBe(0);
    expect(await process.orders.find(old.orderId)).toMatchObject({ status: 'pending' });
  });

  it('leaves an order cancelled whose payment comes after its time, and remembers the payment', async () => {
    const order = orderOf();
    await register(order);
    await reserved(order.orderId);
    await expireAll();
    await paid(order.orderId);
    expect(await process.orders.find(order.orderId)).toMatchObject({ status: 'cancelled' });
    expect((await events(order.orderId))?.at(-1)).toBe('payments.completed');
    expect(await process.published(order.orderId)).toEqual(['orders.cancelled.v1']);
  });

  it('cancels what was paid and never became an order, and keeps it cancelled when the order comes', async () => {
    const order = orderOf();
    await paid(order.orderId);
    await expireAll();
    await register(order);
    await reserved(order.orderId);
    expect(await process.orders.find(order.orderId)).toMatchObject({ status: 'cancelled' });
    expect(await process.published(order.orderId)).toEqual(['orders.cancelled.v1']);
  });

  it('either confirms or gives up an order whose last event comes when its time is over', async () => {
    const orders = Array.from({ length: RACES }, () => orderOf());
    await register(...orders);
    await paid(...orders.map(({ orderId }) => orderId));
    await Promise.all(orders.flatMap(({ orderId }) => [reserved(orderId), saga.expire(0)]));
    await expireAll();
    for (const { orderId } of orders) {
      const { status } = (await process.orders.find(orderId)) ?? {};
      expect(['confirmed', 'cancelled']).toContain(status);
      expect(await process.published(orderId)).toEqual([`orders.${status}.v1`]);
    }
  });

  describe('housekeeping', () => {
    const SETTLED = {
      stream: 'PAYMENTS',
      consumer: 'order-payments',
      pending: 0,
      ackPending: 0,
      deliveredThrough: 7,
      settledThrough: 7,
    };

    /** All that is stored is settled, unless the position says otherwise. */
    const surveyOf = (position: Partial<typeof SETTLED>, lastSequence = 7) => ({
      streams: [
        { stream: 'PAYMENTS', lastSequence },
        { stream: 'INVENTORY', lastSequence: 7 },
        { stream: 'ORDERS', lastSequence: 7 },
        { stream: 'OPERATIONS', lastSequence: 7 },
      ],
      consumers: [
        { ...SETTLED, ...position },
        { ...SETTLED, stream: 'INVENTORY', consumer: 'order-inventory' },
        { ...SETTLED, stream: 'ORDERS', consumer: 'order-intake' },
      ],
    });

    /** Whether an order is still pending after a round at each of the positions. */
    async function pendingAfter(
      ...rounds: ((Partial<typeof SETTLED> & { last?: number }) | Error)[]
    ): Promise<boolean[]> {
      const order = orderOf();
      await register(order);
      const positions = rounds.values();
      const housekeeping = new HousekeepingService(
        saga,
        process.keys,
        async () => {
          const position = positions.next().value ?? {};
          if (position instanceof Error) throw position;
          const { last, ...at } = position;
          return surveyOf(at, last);
        },
        { ORDER_TIMEOUT: 0, IDEMPOTENCY_KEY_RETENTION: NEVER_MS },
      );
      const seen: boolean[] = [];
      for (let round = 0; round < rounds.length; round++) {
        await housekeeping.run();
        seen.push((await process.orders.find(order.orderId))?.status === 'pending');
      }
      return seen;
    }

    it('forgets old keys even when nobody says how far the consumers are', async () => {
      let pruned = 0;
      const keys = { prune: () => Promise.resolve(pruned++ && 0) } as unknown as typeof process.keys;
      const positions = () => Promise.reject(new Error('not permitted'));
      const config = { ORDER_TIMEOUT: 0, IDEMPOTENCY_KEY_RETENTION: 0 };
      await new HousekeepingService(saga, keys, positions, config).run();
      expect(pruned).toBe(1);
    });

    it('gives an order up when everything that was stored at one look is settled at the next', async () => {
      expect(await pendingAfter({}, {})).toEqual([true, false]);
      // Under load there is always something on its way.
      const [first, second] = [
        { last: 12, pending: 3, ackPending: 2 },
        { last: 40, pending: 10, settledThrough: 12, ackPending: 18 },
      ];
      expect(await pendingAfter(first, second)).toEqual([true, false]);
    });

    it('gives an order up also where it may ask for its consumers alone', async () => {
      const order = orderOf();
      await register(order);
      const looks = [
        surveyOf({ deliveredThrough: 9, ackPending: 2 }),
        surveyOf({ deliveredThrough: 20, settledThrough: 9, ackPending: 11 }),
      ].values();
      const config = { ORDER_TIMEOUT: 0, IDEMPOTENCY_KEY_RETENTION: NEVER_MS };
      const survey = () => Promise.resolve({ ...(looks.next().value ?? surveyOf({})), streams: [] });
      const housekeeping = new HousekeepingService(saga, process.keys, survey, config);
      await housekeeping.run();
      expect(await process.orders.find(order.orderId)).toMatchObject({ status: 'pending' });
      await housekeeping.run();
      expect(await process.orders.find(order.orderId)).toMatchObject({ status: 'cancelled' });
    });

    it('gives no order up while what settles it may still wait in a stream', async () => {
      const waiting = { last: 8, pending: 1 };
      expect(await pendingAfter(waiting, waiting, { last: 8, settledThrough: 8 })).toEqual([
        true,
        true,
        false,
      ]);
    });

    it('gives an order up although the last message of the stream is of another consumer', async () => {
      expect(await pendingAfter({ last: 9 }, { last: 9 })).toEqual([true, false]);
    });

    it('gives no order up while what settles it waits for another attempt', async () => {
      const retried = { ackPending: 1, settledThrough: 6 };
      expect(await pendingAfter(retried, retried, retried, {})).toEqual([true, true, true, false]);
    });

    it('gives no order up before it knows the positions again', async () => {
      expect(await pendingAfter({}, new Error('the broker is away'), {}, {})).toEqual([
        true,
        true,
        true,
        false,
      ]);
    });

    it.each(['ORDERS__order-intake', 'PAYMENTS__order-payments', 'INVENTORY__order-inventory'])(
      'gives no order up while something that an operator sent again waits for %s',
      async (consumer) => {
        const order = orderOf();
        await register(order);
        const redrives = { ...SETTLED, stream: 'OPERATIONS', consumer };
        const positions = [1, 1, 0].values();
        const survey = async () => {
          const { streams, consumers } = surveyOf({});
          const settledThrough = 3;
          const waiting = { ...redrives, settledThrough, pending: positions.next().value ?? 0 };
          return { streams, consumers: [...consumers, waiting] };
        };
        const config = { ORDER_TIMEOUT: 0, IDEMPOTENCY_KEY_RETENTION: NEVER_MS };
        const housekeeping = new HousekeepingService(saga, process.keys, survey, config);
        const statusAfterRound = async () => {
          await housekeeping.run();
          return (await process.orders.find(order.orderId))?.status;
        };
        expect(await statusAfterRound()).toBe('pending');
        expect(await statusAfterRound()).toBe('pending');
        expect(await statusAfterRound()).toBe('cancelled');
      },
    );

    it.each(['order-intake', 'order-payments', 'order-inventory'])(
      'gives no order up while %s is not there',
      async (missing) => {
        const order = orderOf();
        await register(order);
        const config = { ORDER_TIMEOUT: 0, IDEMPOTENCY_KEY_RETENTION: NEVER_MS };
        const housekeeping = new HousekeepingService(
          saga,
          process.keys,
          () => {
            const { streams, consumers } = surveyOf({});
            return Promise.resolve({
              streams,
              consumers: consumers.filter(({ consumer }) => consumer !== missing),
            });
          },
          config,
        );
        await housekeeping.run();
        await housekeeping.run();
        expect(await process.orders.find(order.orderId)).toMatchObject({ status: 'pending' });
      },
    );

    it('gives orders time after an outage', async () => {
      const order = orderOf();
      await register(order);
      const expired: number[] = [];
      const counting = { expire: () => Promise.resolve(expired.push(0) && 0) } as unknown as SagaService;
      const survey = jest.fn<() => Promise<ReturnType<typeof surveyOf>>>().mockResolvedValue(surveyOf({}));
      const config = { ORDER_TIMEOUT: 1_800, IDEMPOTENCY_KEY_RETENTION: NEVER_MS };
      const housekeeping = new HousekeepingService(counting, process.keys, survey, config);
      const rounds = async (minutes: number[]) => {
        for (const minute of minutes) await housekeeping.run(minute * 60_000);
        return expired.length;
      };
      expect(await rounds([0, 1, 5])).toBe(0);
      expect(await rounds([6])).toBe(1);
      survey.mockRejectedValueOnce(new Error('the broker is away'));
      expect(await rounds([7, 8, 9, 13])).toBe(1);
      expect(await rounds([14])).toBe(2);
    });
  });
});
