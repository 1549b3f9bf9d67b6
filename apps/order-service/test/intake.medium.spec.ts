import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { jetstream } from '@nats-io/jetstream';
import { connect, headers, type NatsConnection } from '@nats-io/transport-node';
import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { EventEncoder, newEvent, orderCreatedV2, streams } from '@slipstream/contracts';
import { connectJetStream, JetStreamModule, JetStreamServer } from '@slipstream/jetstream';
import { eventCodec } from '@slipstream/service';
import { uniqueName, waitFor } from '@slipstream/testing';
import { startNatsServer, type TestNatsServer } from '../../../libs/jetstream/test/nats-server.js';
import { IntakeController } from '../src/intake.controller.js';
import { SagaService } from '../src/saga.service.js';
import { declaration } from '../src/declaration.js';
import { createOrderDatabase, type OrderDatabase, type OrderProcess } from './harness.js';

let database: OrderDatabase;
let orderProcess: OrderProcess;
let server: TestNatsServer;
let app: INestApplication;
let nc: NatsConnection;

beforeAll(async () => {
  database = await createOrderDatabase();
  orderProcess = database.process();
  // The streams have fixed names, which other tests use too.
  server = await startNatsServer(process.env['NATS_SERVER_BIN'] ?? '');
  const transport = JetStreamModule.forRoot({
    service: 'order-service',
    connection: { servers: server.url },
    streams,
    codec: eventCodec,
  });
  const module = await Test.createTestingModule({
    imports: [transport],
    controllers: [IntakeController],
    providers: [{ provide: SagaService, useValue: orderProcess.saga }],
  }).compile();
  app = module.createNestApplication(new FastifyAdapter(), { logger: ['fatal'] });
  connectJetStream(app);
  await app.init();
  await app.startAllMicroservices();
  nc = await connect({ servers: server.url });
});

afterAll(async () => {
  await nc.close();
  await app.close();
  await server.stop();
  await database.drop();
});

async function publish(orderId: string, source: string): Promise<void> {
  const order = {
    ...newEvent(orderId),
    customerId: 'cust-1',
    currency: 'EUR',
    totalMinor: 100,
    lines: [{ sku: 'sku-1', quantity: 1, unitPriceMinor: 100 }],
  };
  const encoder = new EventEncoder({ source, publishes: [orderCreatedV2] });
  const { subject, data, headers: fields } = encoder.encode(orderCreatedV2, order);
  const carried = headers();
  for (const [name, value] of Object.entries(fields)) carried.set(name, value);
  await jetstream(nc).publish(subject, data, { headers: carried });
}

it.each(['shop', declaration.name])(
  'registers an order that nobody knows, published in the name of %s',
  async (source) => {
    const orderId = uniqueName('order');
    await publish(orderId, source);
    await publish(orderId, source);
    await waitFor('the messages to be settled', async () => {
      const [position] = await app.get(JetStreamServer).positions();
      return position?.pending === 0 && position.ackPending === 0;
    });
    const order = await orderProcess.orders.find(orderId);
    expect(order).toMatchObject({ status: 'pending', customerId: 'cust-1' });
    expect(order?.history.map(({ event }) => event)).toEqual(['orders.created']);
  },
);
