import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { configureHttp, createHttpAdapter } from '@slipstream/bootstrap';
import { connectJetStream } from '@slipstream/jetstream';
import { serviceEnvironment } from '@slipstream/service';
import { createTestDatabase, waitFor, type TestDatabase } from '@slipstream/testing';
import { startNatsServer, type TestNatsServer } from '../../../libs/jetstream/test/nats-server.js';
import { Road } from '../../../libs/outbox/test/harness.js';
import { AppModule } from '../src/app.module.js';

process.env['LOG_LEVEL'] = 'silent';

describe('order-service without a broker', () => {
  let database: TestDatabase;
  let server: TestNatsServer;
  let road: Road;
  let app: NestFastifyApplication;

  beforeAll(async () => {
    database = await createTestDatabase();
    // Its streams have fixed names, which other tests use too.
    server = await startNatsServer(process.env['NATS_SERVER_BIN'] ?? '');
    road = await Road.to(server.url);
    const config = {
      ...serviceEnvironment.parse({
        NATS_URL: road.url,
        DATABASE_URL: database.url,
        OUTBOX_MAX_PENDING: '3',
      }),
      PORT: 0,
      ORDER_CREATED_VERSIONS: ['v1'],
      ORDER_TIMEOUT: 1_800,
      IDEMPOTENCY_KEY_RETENTION: 86_400,
    };
    const module = await Test.createTestingModule({ imports: [AppModule.register(config)] }).compile();
    app = module.createNestApplication<NestFastifyApplication>(createHttpAdapter(), { logger: ['fatal'] });
    configureHttp(app);
    connectJetStream(app);
    await app.init();
    await app.startAllMicroservices();
    await app.getHttpAdapter().getInstance().ready();
  });

  afterAll(async () => {
    road.open();
    await app.close();
    road.close();
    await server.stop();
    await database.drop();
  });

  const place = () =>
    app.inject({
      method: 'POST',
      url: '/orders',
      payload: {
        customerId: 'cust-1',
        currency: 'EUR',
        lines: [{ sku: 'sku-1', quantity: 1, unitPriceMinor: 100 }],
      },
    });

  it('accepts orders up to its bound and stays ready, then answers 503, and accepts again when it is back', async () => {
    expect((await place()).statusCode).toBe(202);
    await waitFor('the outbox to be empty', async () => {
      const { details } = (await app.inject('/health/ready')).json();
      return details.outbox.pending === 0;
    });
    road.block();
    const statuses: number[] = [];
    await waitFor('the bound', async () => {
      statuses.push((await place()).statusCode);
      return statuses.at(-1) === 503;
    });
    expect(statuses.slice(0, -1).every((status) => status === 202)).toBe(true);
    expect(statuses.length).toBeLessThanOrEqual(4);
    const refused = await place();
    expect(refused.headers).toMatchObject({
      'retry-after': '5',
      'content-type': expect.stringContaining('problem+json'),
    });
    const ready = await app.inject('/health/ready');
    expect([ready.statusCode, ready.json().details.outbox.status]).toEqual([200, 'degraded']);
    expect(ready.json().details.nats.status).toBe('degraded');
    road.open();
    await waitFor('orders to be accepted again', async () => (await place()).statusCode === 202, 40_000);
  }, 90_000);
});
