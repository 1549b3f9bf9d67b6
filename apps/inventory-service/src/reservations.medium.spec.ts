import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { EventEncoder, newEvent, type OrderCreated } from '@slipstream/contracts';
import { PostgresInbox, inboxMigrations } from '@slipstream/idempotency';
import { Outbox, outboxMigrations } from '@slipstream/outbox';
import { createTestDatabase, uniqueName, waitFor, type TestDatabase } from '@slipstream/testing';
import { DataSource } from 'typeorm';
import { declaration } from './declaration.js';
import { CreateStock1763700000002 } from './migrations/create-stock.js';
import { ReservationsService } from './reservations.service.js';
import { StockRepository } from './stock.repository.js';

const CONSUMER = 'inventory-orders';

describe('reservations', () => {
  let database: TestDatabase;
  let dataSource: DataSource;
  let stock: StockRepository;
  let reservations: ReservationsService;
  let sku: string;

  const order = (...skus: string[]): OrderCreated => ({
    ...newEvent(uniqueName('order')),
    customerId: 'cust-1',
    currency: 'EUR',
    totalMinor: 100,
    lines: skus.map((name) => ({ sku: name, quantity: 1, unitPriceMinor: 100 })),
  });
  const identities = (orders: readonly { messageId: string }[]) =>
    orders.map(({ messageId }) => ({ consumer: CONSUMER, messageId }));
  const reserve = (orders: readonly OrderCreated[]) => reservations.reserve(orders, identities(orders));
  const release = (orders: readonly { orderId: string }[]) => {
    const cancelled = orders.map(({ orderId }) => ({ ...newEvent(orderId), reason: 'test' }));
    return reservations.release(cancelled, identities(cancelled));
  };
  const cancel = (orderId: string) => release([{ orderId }]);
  const events = async (orderId: string): Promise<string[]> => {
    const rows: { subject: string }[] = await dataSource.query(
      'SELECT subject FROM outbox WHERE aggregate_id = $1 ORDER BY id',
      [orderId],
    );
    return rows.map(({ subject }) => subject);
  };

  beforeAll(async () => {
    database = await createTestDatabase();
    dataSource = await new DataSource({
      type: 'postgres',
      url: database.url,
      parseInt8: true,
      migrations: [...inboxMigrations, ...outboxMigrations, CreateStock1763700000002],
      migrationsRun: true,
    }).initialize();
    const encoder = new EventEncoder({ source: declaration.name, publishes: declaration.publishes });
    stock = new StockRepository(dataSource, { DEFAULT_STOCK: 1_000 });
    reservations = new ReservationsService(stock, new PostgresInbox(dataSource), new Outbox(), encoder);
  });

  beforeEach(() => {
    sku = uniqueName('sku');
  });

  afterAll(async () => {
    await dataSource.destroy();
    await database.drop();
  });

  it('give exactly a hundred of a thousand orders the hundred pieces there are, in batches that race', async () => {
    const other = uniqueName('sku');
    await stock.set(sku, 100);
    const orders = Array.from({ length: 1_000 }, (_, index) =>
      index % 2 ? order(sku, other) : order(other, sku),
    );
    const batches = Array.from({ length: 20 }, (_, index) => orders.slice(index * 50, (index + 1) * 50));
    await Promise.all(batches.map(reserve));
    expect(await stock.find(sku)).toMatchObject({ onHand: 100, reserved: 100, available: 0 });
    expect(await stock.find(other)).toMatchObject({ reserved: 100 });
    const outcomes = await dataSource.query(
      'SELECT subject, count(*) FROM outbox WHERE aggregate_id = ANY($1) GROUP BY 1 ORDER BY 1',
      [orders.map(({ orderId }) => orderId)],
    );
    expect(outcomes).toEqual([
      { subject: 'inventory.rejected.v1', count: 900 },
      { subject: 'inventory.reserved.v1', count: 100 },
    ]);
  });

  it('are made and given back over hot SKUs, in batches that race in all orders, without a deadlock', async () => {
    const hot = Array.from({ length: 5 }, () => uniqueName('sku'));
    const rotated = (by: number) => [...hot.slice(by), ...hot.slice(0, by)];
    const orders = Array.from({ length: 400 }, (_, index) =>
      order(...(index % 2 ? rotated(index % 5) : rotated(index % 5).toReversed())),
    );
    const batches = Array.from({ length: 20 }, (_, index) => orders.slice(index * 20, (index + 1) * 20));
    await Promise.all(batches.slice(0, 10).map(reserve));
    // A transaction that met a deadlock would be repeated.
    const transactions = jest.spyOn(dataSource, 'transaction');
    await Promise.all([
      ...batches.slice(10).map(reserve),
      ...batches.slice(0, 10).map((batch) => release(batch.toReversed())),
    ]);
    expect(transactions).toHaveBeenCalledTimes(20);
    transactions.mockRestore();
    for (const name of hot) expect(await stock.find(name)).toMatchObject({ reserved: 200 });
  });

  it('are given back without a deadlock by two batches whose statements read the same orders in other directions', async () => {
    // Rows lie in the table in the order of their insertion, which is not that of their keys.
    const orders = Array.from({ length: 3 }, () => order(sku)).toSorted((a, b) =>
      a.orderId < b.orderId ? 1 : -1,
    );
    for (const each of orders) await reserve([each]);
    const orderIds = orders.map(({ orderId }) => orderId);
    const releaseBy = (plan: string) =>
      dataSource.transaction(async (tx) => {
        await tx.query(plan);
        return stock.releaseReservations(tx, orderIds);
      });
    const isBlocked = async (waiting: number) => {
      const [{ count }] = await dataSource.query(
        `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      );
      return count === waiting;
    };
    const between = dataSource.createQueryRunner();
    await between.startTransaction();
    await between.query('SELECT FROM reservations WHERE order_id = $1 FOR UPDATE', [orderIds[1]]);
    const byIndex = releaseBy('SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off');
    await waitFor('the first to wait', () => isBlocked(1));
    const byTable = releaseBy('SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off');
    await waitFor('the second to wait', () => isBlocked(2));
    await between.commitTransaction();
    await between.release();
    const released = await Promise.all([byIndex, byTable]);
    expect(released.map(({ length }) => length).toSorted()).toEqual([0, 3]);
  });

  it('count an order once that comes twice in a batch, again later, and under another message id', async () => {
    const first = order(sku);
    await reserve([first, first, { ...first, ...newEvent(first.orderId) }]);
    await reserve([first]);
    expect(await stock.find(sku)).toMatchObject({ reserved: 1 });
    expect(await events(first.orderId)).toEqual(['inventory.reserved.v1']);
  });

  it('give back what was taken when a batch holds an order in two versions that contradict each other', async () => {
    const orders = Array.from({ length: 20 }, () => order(sku));
    const others = orders.map(({ orderId }) => ({ ...order(sku, sku, sku), orderId }));
    await reserve([...orders, ...others]);
    expect(await stock.find(sku)).toMatchObject({ reserved: 20 });
    await release(orders);
    expect(await stock.find(sku)).toMatchObject({ reserved: 0 });
  });

  it('refuse one order of a batch without holding a piece of it, and serve its neighbours', async () => {
    const scarce = uniqueName('sku');
    await stock.set(scarce, 0);
    const [before, refused, after] = [order(sku), order(sku, scarce), order(sku)];
    await reserve([before, refused, after]);
    expect(await stock.find(sku)).toMatchObject({ reserved: 2 });
    expect(await events(refused.orderId)).toEqual(['inventory.rejected.v1']);
    expect(await events(after.orderId)).toEqual(['inventory.reserved.v1']);
  });

  it('are given back once when the order is cancelled, however often that is told', async () => {
    const placed = order(sku, sku);
    await reserve([placed]);
    await cancel(placed.orderId);
    await cancel(placed.orderId);
    expect(await stock.find(sku)).toMatchObject({ reserved: 0 });
    expect(await events(placed.orderId)).toEqual(['inventory.reserved.v1', 'inventory.released.v1']);
  });

  it('are never made for an order whose cancellation came first', async () => {
    const late = order(sku);
    await cancel(late.orderId);
    await reserve([late]);
    expect(await stock.find(sku)).toMatchObject({ reserved: 0 });
    expect(await events(late.orderId)).toEqual([]);
  });
});
