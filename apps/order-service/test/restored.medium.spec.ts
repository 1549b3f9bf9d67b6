import { afterAll, afterEach, beforeAll, expect, it, jest } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, headers, type NatsConnection } from '@nats-io/transport-node';
import { Module, type INestApplication } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import {
  EventEncoder,
  inventoryReleasedV1,
  inventoryReservedV1,
  newEvent,
  orderCancelledV1,
  orderCreatedV2,
  paymentCompletedV1,
  paymentRefundedV1,
  streams,
  type EventBase,
  type OrderCreated,
} from '@slipstream/contracts';
import { connectJetStream, JetStreamModule, JetStreamServer } from '@slipstream/jetstream';
import { Replays } from '@slipstream/operations';
import { eventCodec } from '@slipstream/service';
import { uniqueName, waitFor } from '@slipstream/testing';
import { startNatsServer, type TestNatsServer } from '../../../libs/jetstream/test/nats-server.js';
import { CancellationsFirst } from '../src/cancellations-first.js';
import { declaration } from '../src/declaration.js';
import { SagaService } from '../src/saga.service.js';
import { SURVEY } from '../src/survey.js';
import { createOrderDatabase, type OrderDatabase, type OrderProcess } from './harness.js';

const READERS = { ORDERS: 'order-intake', PAYMENTS: 'order-payments', INVENTORY: 'order-inventory' } as const;
const encoder = new EventEncoder({
  source: 'test',
  publishes: [
    orderCreatedV2,
    orderCancelledV1,
    paymentCompletedV1,
    paymentRefundedV1,
    inventoryReservedV1,
    inventoryReleasedV1,
  ],
});

let database: OrderDatabase;
let orderProcess: OrderProcess;
let server: TestNatsServer;
let nc: NatsConnection;
let app: INestApplication | undefined;

async function start(): Promise<JetStreamServer> {
  @Module({
    imports: [
      JetStreamModule.forRoot({
        service: declaration.name,
        connection: { servers: server.url },
        streams,
        codec: eventCodec,
      }),
    ],
    controllers: declaration.controllers,
    providers: [
      { provide: SagaService, useValue: orderProcess.saga },
      {
        provide: SURVEY,
        inject: [JetStreamServer],
        useFactory: (transport: JetStreamServer) => () => transport.survey(),
      },
      CancellationsFirst,
    ],
  })
  class Restored {}
  const module = await Test.createTestingModule({ imports: [Restored] }).compile();
  app = module.createNestApplication(new FastifyAdapter(), { logger: ['fatal'] });
  connectJetStream(app);
  await app.init();
  await app.startAllMicroservices();
  return app.get(JetStreamServer);
}

async function stop(): Promise<void> {
  await app?.close();
  app = undefined;
}

async function publish({ subject, data, headers: fields }: ReturnType<typeof encoder.encode>): Promise<void> {
  const carried = headers();
  for (const [name, value] of Object.entries(fields)) carried.set(name, value);
  await jetstream(nc).publish(subject, data, { headers: carried });
}

/** What the streams tell of an order that was paid, given up and refunded, and whose stock came too late. */
async function tellFirstLife(order: OrderCreated): Promise<void> {
  const event = () => newEvent(order.orderId);
  const charge = { chargeId: 'ch-1', amountMinor: 100, currency: 'EUR' };
  await publish(encoder.encode(orderCreatedV2, order));
  await publish(encoder.encode(paymentCompletedV1, { ...event(), ...charge }));
  await publish(encoder.encode(orderCancelledV1, { ...event(), reason: 'not settled within 1800 s' }));
  await publish(encoder.encode(paymentRefundedV1, { ...event(), ...charge }));
  await publish(encoder.encode(inventoryReservedV1, { ...event(), lines: order.lines }));
  await publish(encoder.encode(inventoryReleasedV1, event()));
}

/** As the runbook has it: nothing runs meanwhile. */
async function sendAgain(): Promise<void> {
  for (const [stream, consumer] of Object.entries(READERS)) {
    await new Replays(nc).send({ stream, consumer }, { by: 'test' }, uniqueName('run'));
  }
}

/** Redrives included, which the survey sees and positions leave out. */
async function settled(transport: JetStreamServer): Promise<void> {
  await waitFor('all messages to be settled', async () => {
    const { consumers } = await transport.survey();
    return consumers.every(({ pending, ackPending }) => pending + ackPending === 0);
  });
}

/** The order as the backup has it, of a database that was set back while nothing ran. */
async function restoreTo(order: OrderCreated): Promise<void> {
  await orderProcess.dataSource.query('TRUNCATE orders, order_history, inbox, outbox');
  const identityOf = ({ messageId }: EventBase) => ({ consumer: 'backup', messageId });
  await orderProcess.saga.register([order], [identityOf(order)]);
  const paid = newEvent(order.orderId);
  await orderProcess.saga.advance([paid], [identityOf(paid)], {
    event: 'payments.completed',
    toFacts: () => ({ payment: 'completed' }),
  });
  expect(await orderProcess.orders.find(order.orderId)).toMatchObject({ status: 'pending' });
}

const newOrder = (): OrderCreated => ({
  ...newEvent(uniqueName('order')),
  customerId: 'cust-1',
  currency: 'EUR',
  totalMinor: 100,
  lines: [{ sku: 'sku-1', quantity: 1, unitPriceMinor: 100 }],
});

beforeAll(async () => {
  database = await createOrderDatabase();
  orderProcess = database.process();
  // The streams have fixed names, which other tests use too.
  server = await startNatsServer(process.env['NATS_SERVER_BIN'] ?? '');
  nc = await connect({ servers: server.url });
});

afterEach(async () => {
  jest.restoreAllMocks();
  await stop();
});

afterAll(async () => {
  await nc.close();
  await server.stop();
  await database.drop();
});

it('an order that was cancelled after the backup is cancelled again, and nobody is told a second time', async () => {
  const order = newOrder();
  await settled(await start());
  await tellFirstLife(order);
  await stop();
  await restoreTo(order);
  await sendAgain();
  await settled(await start());
  const found = await orderProcess.orders.find(order.orderId);
  expect(found).toMatchObject({ status: 'cancelled', reason: 'not settled within 1800 s' });
  expect(found?.history.filter(({ event }) => event === 'orders.cancelled')).toHaveLength(1);
  expect(await orderProcess.published(order.orderId)).toEqual([]);
});

it('what reconciles the intake misses a cancellation that was forgotten, until it is recalled', async () => {
  const order = newOrder();
  await restoreTo(order);
  const { keyOf, query } = declaration.ledgers[READERS.ORDERS];
  const keys = ['orders.created.v1', 'orders.cancelled.v1'].map((subject) =>
    keyOf({ stream: 'ORDERS', sequence: 1, at: new Date(), subject, messageId: 'm', orderId: order.orderId }),
  );
  const known = async () => {
    const rows: { key: string }[] = await orderProcess.dataSource.query(query, [keys]);
    return rows.map(({ key }) => key);
  };
  expect(await known()).toEqual([keys[0]]);
  await orderProcess.saga.recall([{ ...newEvent(order.orderId), reason: 'test' }]);
  expect((await known()).toSorted()).toEqual(keys.toSorted());
});

it('an order is not confirmed while its cancellation waits, whatever else was delivered by then', async () => {
  const order = newOrder();
  await settled(await start());
  await stop();
  await tellFirstLife(order);
  await restoreTo(order);
  await sendAgain();
  const { saga } = orderProcess;
  const recall = saga.recall.bind(saga);
  const manager = await jetstreamManager(nc);
  jest.spyOn(saga, 'recall').mockImplementation(async (cancelled) => {
    await waitFor('the reservation to be refused or taken', async () => {
      const {
        delivered,
        num_redelivered: refused,
        num_ack_pending: held,
      } = await manager.consumers.info('INVENTORY', READERS.INVENTORY);
      return refused > 0 || (delivered.stream_seq > reservedBefore && held === 0);
    });
    await recall(cancelled);
  });
  const { delivered } = await manager.consumers.info('INVENTORY', READERS.INVENTORY);
  const reservedBefore = delivered.stream_seq;
  await settled(await start());
  const found = await orderProcess.orders.find(order.orderId);
  expect(found?.status).toBe('cancelled');
  expect(await orderProcess.published(order.orderId)).toEqual([]);
});
