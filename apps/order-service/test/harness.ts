import { EventEncoder } from '@slipstream/contracts';
import { PostgresInbox, inboxMigrations } from '@slipstream/idempotency';
import { Outbox, outboxMigrations } from '@slipstream/outbox';
import { createTestDatabase } from '@slipstream/testing';
import { DataSource } from 'typeorm';
import { CreatedEvents } from '../src/created-events.js';
import { declaration } from '../src/declaration.js';
import { IdempotencyKeysRepository } from '../src/idempotency-keys.repository.js';
import { CreateOrders1763700000002 } from '../src/migrations/create-orders.js';
import { DeriveOrderStatus1763700000010 } from '../src/migrations/derive-order-status.js';
import { OrderEndings } from '../src/order-endings.js';
import { OrderMetrics } from '../src/order-metrics.js';
import { OrdersRepository } from '../src/orders.repository.js';
import { OrdersService } from '../src/orders.service.js';
import { SagaService } from '../src/saga.service.js';

/** What one process of order-service is made of, on a database of its own. */
export class OrderProcess {
  readonly orders: OrdersRepository;
  readonly keys: IdempotencyKeysRepository;
  readonly service: OrdersService;
  readonly saga: SagaService;
  readonly metrics: OrderMetrics;

  constructor(readonly dataSource: DataSource) {
    const outbox = new Outbox();
    this.orders = new OrdersRepository(dataSource);
    this.keys = new IdempotencyKeysRepository(dataSource);
    const events = new EventEncoder({ source: declaration.name, publishes: declaration.publishes });
    const config = { ORDER_CREATED_VERSIONS: ['v1'] };
    this.service = new OrdersService(
      dataSource,
      this.orders,
      this.keys,
      outbox,
      new CreatedEvents(events, config),
    );
    this.metrics = new OrderMetrics(this.orders);
    const inbox = new PostgresInbox(dataSource);
    const endings = new OrderEndings(this.orders, outbox, events);
    this.saga = new SagaService(dataSource, this.orders, inbox, endings, this.metrics);
  }

  /** Subjects of what was published about an order, oldest first. */
  async published(orderId: string): Promise<string[]> {
    const rows: { subject: string }[] = await this.dataSource.query(
      'SELECT subject FROM outbox WHERE aggregate_id = $1 ORDER BY id',
      [orderId],
    );
    return rows.map(({ subject }) => subject);
  }
}

export interface OrderDatabase {
  /** Another process on the same database. */
  process(): OrderProcess;
  /** Makes everything wait that writes orders, until the function it returns is called. */
  lockOrders(): Promise<() => Promise<void>>;
  drop(): Promise<void>;
}

export async function createOrderDatabase(): Promise<OrderDatabase> {
  const database = await createTestDatabase();
  const dataSource = await new DataSource({
    type: 'postgres',
    url: database.url,
    parseInt8: true,
    extra: { max: 10 },
    // A connection that a test breaks must not end the process.
    poolErrorHandler: () => undefined,
    migrations: [
      ...inboxMigrations,
      ...outboxMigrations,
      CreateOrders1763700000002,
      DeriveOrderStatus1763700000010,
    ],
    migrationsRun: true,
  }).initialize();
  return {
    process: () => new OrderProcess(dataSource),
    lockOrders: async () => {
      const runner = dataSource.createQueryRunner();
      await runner.startTransaction();
      await runner.query('LOCK TABLE orders IN EXCLUSIVE MODE');
      return async () => {
        await runner.commitTransaction();
        await runner.release();
      };
    },
    drop: async () => {
      await dataSource.destroy();
      await database.drop();
    },
  };
}
