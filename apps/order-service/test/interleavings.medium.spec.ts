import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { newEvent, type EventBase, type OrderCreated } from '@slipstream/contracts';
import { uniqueName } from '@slipstream/testing';
import fc from 'fast-check';
import type { OrderFacts } from '../src/orders.repository.js';
import { createOrderDatabase, type OrderDatabase, type OrderProcess } from './harness.js';

const RUNS = 25;

/** What happens to an order, in the order it happens. */
const STORIES = [
  ['orders.created'],
  ['orders.created', 'inventory.reserved'],
  ['orders.created', 'inventory.reserved', 'payments.completed'],
  ['orders.created', 'payments.completed', 'inventory.reserved'],
  ['orders.created', 'orders.created', 'payments.completed', 'inventory.reserved'],
  ['orders.created', 'payments.failed', 'inventory.reserved', 'inventory.released'],
  ['orders.created', 'payments.completed', 'inventory.rejected', 'payments.refunded'],
  ['orders.created', 'inventory.rejected', 'payments.failed'],
  ['payments.completed', 'inventory.reserved'],
] as const;

type EventName = (typeof STORIES)[number][number];

const FACTS: Partial<Record<EventName, Omit<OrderFacts, 'orderId'>>> = {
  'payments.completed': { payment: 'completed' },
  'payments.failed': { payment: 'failed', reason: 'test' },
  'inventory.reserved': { inventory: 'reserved' },
  'inventory.rejected': { inventory: 'rejected', reason: 'test' },
};

interface Happening {
  readonly name: EventName;
  readonly event: OrderCreated;
}

function tell(orderId: string, story: readonly EventName[]): Happening[] {
  const order = { customerId: 'cust-1', currency: 'EUR', totalMinor: 100, lines: [] };
  return story.map((name) => ({ name, event: { ...order, ...newEvent(orderId) } }));
}

/** What a run is made of: which orders, how their events are mixed and repeated, and how they are cut into batches. */
const RUN = fc.record({
  stories: fc.array(fc.constantFrom(...STORIES), { minLength: 1, maxLength: 8 }),
  order: fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
  copies: fc.infiniteStream(fc.integer({ min: 1, max: 3 })),
  batchSize: fc.integer({ min: 1, max: 12 }),
  atOnce: fc.integer({ min: 1, max: 4 }),
});

describe('events of many orders', () => {
  let database: OrderDatabase;
  let process: OrderProcess;

  /** Hands a batch on as the transport does: apart by event. */
  const deliver = async (batch: readonly Happening[]) => {
    for (const [name, members] of Map.groupBy(batch, (happening) => happening.name)) {
      const events = members.map(({ event }) => event);
      const messages = events.map(({ messageId }) => ({ consumer: `to-${name}`, messageId }));
      const facts = FACTS[name];
      if (name === 'orders.created') await process.saga.register(events, messages);
      else
        await process.saga.advance<EventBase>(events, messages, {
          event: name,
          ...(facts && { toFacts: () => facts }),
        });
    }
  };
  const outcome = async (orderId: string) => {
    const order = await process.orders.find(orderId);
    const [row] = await process.dataSource.query('SELECT status FROM orders WHERE order_id = $1', [orderId]);
    return JSON.stringify({
      status: row?.status,
      order: order && { status: order.status, reason: order.reason, totalMinor: order.totalMinor },
      history: order?.history.map(({ event }) => event).toSorted(),
      published: await process.published(orderId),
    });
  };

  beforeAll(async () => {
    database = await createOrderDatabase();
    process = database.process();
  });

  afterAll(() => database.drop());

  it('lead to the same orders, histories and publications in whatever order, batches and numbers they arrive', async () => {
    await fc.assert(
      fc.asyncProperty(RUN, async ({ stories, order, copies, batchSize, atOnce }) => {
        const pairs = stories.map((story) => ({ story, orderly: uniqueName('a'), mixed: uniqueName('b') }));
        for (const { story, orderly } of pairs) {
          for (const happening of tell(orderly, story)) await deliver([happening]);
        }
        const mixed = pairs
          .flatMap(({ story, mixed: orderId }) => tell(orderId, story))
          .flatMap((happening) => Array.from({ length: copies.next().value }, () => happening))
          .map((happening) => ({ happening, rank: order.next().value }))
          .toSorted((left, right) => left.rank - right.rank)
          .map(({ happening }) => happening);
        const batches: Happening[][] = [];
        while (mixed.length > 0) batches.push(mixed.splice(0, batchSize));
        while (batches.length > 0) await Promise.all(batches.splice(0, atOnce).map(deliver));
        for (const pair of pairs) {
          const [expected, actual] = [await outcome(pair.orderly), await outcome(pair.mixed)];
          if (expected !== actual)
            throw new Error(`${pair.story.join(', ')}: ${actual} instead of ${expected}`);
        }
      }),
      { numRuns: RUNS },
    );
  }, 120_000);
});
