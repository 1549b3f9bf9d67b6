import { Injectable, Logger, Module, type BeforeApplicationShutdown } from '@nestjs/common';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import {
  connectionCheck,
  consumersCheck,
  databaseCheck,
  degradable,
  outboxCheck,
  startedCheck,
} from './checks.js';
import { Degraded, type HealthCheck, type HealthChecks } from './health-check.js';
import { HealthModule } from './health.module.js';

interface Broker {
  failure: string | undefined;
}

@Module({
  providers: [{ provide: 'BROKER', useValue: { failure: undefined } satisfies Broker }],
  exports: ['BROKER'],
})
class BrokerModule {}

const IDLE = { stuckMs: 0, pending: 0, held: 0 };
const LAG_LIMIT = 100;

const openApps: NestFastifyApplication[] = [];

async function start(checks: (broker: Broker) => HealthChecks, providers: (new () => object)[] = []) {
  const module = await Test.createTestingModule({
    imports: [HealthModule.forRootAsync({ imports: [BrokerModule], inject: ['BROKER'], useFactory: checks })],
    providers,
  }).compile();
  const app = module.createNestApplication<NestFastifyApplication>(new FastifyAdapter(), { logger: false });
  await app.init();
  await app.getHttpAdapter().getInstance().ready();
  openApps.push(app);
  jest.clearAllMocks();
  return app;
}

const up = (key: string): HealthCheck => ({ key, check: async () => undefined });
const brokerCheck = (broker: Broker) =>
  connectionCheck('nats', async () => {
    if (broker.failure !== undefined) {
      throw new Error(broker.failure);
    }
  });

describe('health probes', () => {
  let warned: jest.SpiedFunction<Logger['warn']>;
  let logged: jest.SpiedFunction<Logger['log']>;

  beforeEach(() => {
    warned = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    logged = jest.spyOn(Logger.prototype, 'log').mockImplementation(() => undefined);
  });

  afterEach(async () => {
    await Promise.all(openApps.splice(0).map((app) => app.close()));
    jest.restoreAllMocks();
  });

  it('answers live whatever is down, and is never cached', async () => {
    const app = await start((broker) => ({ startup: [], readiness: [brokerCheck(broker)] }));
    app.get<Broker>('BROKER', { strict: false }).failure = 'connection refused';
    const response = await app.inject('/health/live');
    expect([response.statusCode, response.json()]).toEqual([200, { status: 'ok' }]);
    expect(response.headers['cache-control']).toContain('no-cache');
  });

  it('answers 200 with the details of every check while all are up', async () => {
    const detailed: HealthCheck = { key: 'streams', check: async () => ({ provisioned: 3 }) };
    const app = await start(() => ({ startup: [detailed, up('migrations')], readiness: [] }));
    const response = await app.inject('/health/startup');
    expect(response.statusCode).toBe(200);
    expect(response.headers['cache-control']).toContain('no-cache');
    expect(response.json()).toMatchObject({
      status: 'ok',
      details: { streams: { status: 'up', provisioned: 3 }, migrations: { status: 'up' } },
    });
  });

  it('answers 503 with the reason of the check that is down, next to those that are up', async () => {
    const app = await start((broker) => ({ startup: [], readiness: [up('database'), brokerCheck(broker)] }));
    app.get<Broker>('BROKER', { strict: false }).failure = 'connection refused';
    const response = await app.inject('/health/ready');
    expect(response.statusCode).toBe(503);
    expect(response.json()).toMatchObject({
      status: 'error',
      info: { database: { status: 'up' } },
      error: { nats: { status: 'down', message: 'connection refused' } },
    });
    expect((await app.inject('/health/startup')).statusCode).toBe(200);
  });

  it('answers 200 and degraded, with the reason, when a check serves and somebody should look', async () => {
    const late: HealthCheck = {
      key: 'outbox',
      check: async () => new Degraded('events wait', { pending: 7 }),
    };
    const app = await start(() => ({ startup: [], readiness: [up('database'), late] }));
    const response = await app.inject('/health/ready');
    expect([response.statusCode, response.json()]).toEqual([
      200,
      expect.objectContaining({
        status: 'degraded',
        details: {
          database: expect.objectContaining({ status: 'up' }),
          outbox: { status: 'degraded', reason: 'events wait', pending: 7 },
        },
      }),
    ]);
    expect(warned).not.toHaveBeenCalled();
  });

  it('takes a check that does not end within its time-out as down', async () => {
    const hanging: HealthCheck = { key: 'disk', check: () => new Promise(() => undefined) };
    const app = await start(() => ({ startup: [], readiness: [hanging], timeoutMs: 20 }));
    const response = await app.inject('/health/ready');
    expect(response.statusCode).toBe(503);
    expect(response.json().error.disk.message).toBe('timeout of 20ms exceeded');
  });

  it('writes one line when a check goes down and one when it is back, however often it is probed', async () => {
    const app = await start((broker) => ({ startup: [], readiness: [brokerCheck(broker)] }));
    const broker = app.get<Broker>('BROKER', { strict: false });
    broker.failure = 'connection refused';
    await app.inject('/health/ready');
    await app.inject('/health/ready');
    expect(warned.mock.calls).toEqual([
      [{ check: 'nats', reason: 'connection refused', msg: 'health check went down' }],
    ]);
    broker.failure = undefined;
    await app.inject('/health/ready');
    await app.inject('/health/ready');
    expect(logged.mock.calls).toEqual([[{ check: 'nats', msg: 'health check is up again' }]]);
  });

  it('answers ready with 503 shutting_down while the app drains', async () => {
    const seen: unknown[] = [];
    @Injectable()
    class ProbesWhileDraining implements BeforeApplicationShutdown {
      async beforeApplicationShutdown(): Promise<void> {
        const response = await app.inject('/health/ready');
        seen.push(response.statusCode, response.json().status);
      }
    }
    const app = await start(() => ({ startup: [], readiness: [up('database')] }), [ProbesWhileDraining]);
    await app.close();
    expect(seen).toEqual([503, 'shutting_down']);
  });
});

describe('ready-made checks', () => {
  it('asks the database SELECT 1 and passes its error on', async () => {
    const asked: string[] = [];
    await databaseCheck({ query: async <T>(sql: string) => asked.push(sql) as T }).check();
    expect(asked).toEqual(['SELECT 1']);
    const broken = databaseCheck({ query: () => Promise.reject(new Error('too many clients')) });
    await expect(broken.check()).rejects.toThrow('too many clients');
  });

  it('names every consumer that is stalled or stopped', async () => {
    const check = consumersCheck(
      () => [
        { stream: 'ORDERS', consumer: 'payment-orders', state: 'running', silentMs: 3, ...IDLE },
        { stream: 'ORDERS', consumer: 'order-intake', state: 'stalled', silentMs: 31_000.4, ...IDLE },
        { stream: 'PAYMENTS', consumer: 'order-payments', state: 'stopped', silentMs: 5, ...IDLE },
      ],
      LAG_LIMIT,
    );
    await expect(check.check()).rejects.toThrow(
      'ORDERS/order-intake is stalled, silent for 31000 ms; PAYMENTS/order-payments is stopped, silent for 5 ms',
    );
  });

  it('is up while a consumer is paused, and says which', async () => {
    const check = consumersCheck(
      () => [
        { stream: 'ORDERS', consumer: 'payment-orders', state: 'paused', silentMs: 0, ...IDLE },
        { stream: 'ORDERS', consumer: 'order-intake', state: 'running', silentMs: 3, ...IDLE },
      ],
      LAG_LIMIT,
    );
    await expect(check.check()).resolves.toEqual({
      running: ['ORDERS/order-intake'],
      paused: ['ORDERS/payment-orders'],
    });
  });

  it('that are degradable stay up and say why they are not well, also when they hang', async () => {
    const broken = connectionCheck('nats', () => Promise.reject(new Error('connection refused')));
    expect(await degradable(broken).check()).toEqual(new Degraded('connection refused'));
    const hanging = connectionCheck('nats', () => new Promise(() => undefined));
    expect(await degradable(hanging).check()).toEqual(new Degraded('no answer within 700 ms'));
    const well = { key: 'streams', check: async () => ({ provisioned: 3 }) };
    expect(await degradable(well).check()).toEqual({ provisioned: 3 });
  });

  it('show the outbox as degraded and never as down', async () => {
    const check = (...problems: string[]) =>
      outboxCheck(() => ({ problems, details: { pending: 7 } })).check();
    expect(await check('events wait too long', 'events were set aside')).toEqual(
      new Degraded('events wait too long; events were set aside', { pending: 7 }),
    );
    expect(await check()).toEqual({ pending: 7 });
  });

  it('say for how long messages have waited for a consumer that does not move', async () => {
    const stuck = { ...IDLE, stuckMs: 26_400, pending: 3 };
    const check = consumersCheck(
      () => [{ stream: 'ORDERS', consumer: 'order-intake', state: 'stalled', silentMs: 12, ...stuck }],
      LAG_LIMIT,
    );
    await expect(check.check()).rejects.toThrow(
      'ORDERS/order-intake is stalled, messages wait and nothing has moved for 26 s',
    );
  });

  it('are degraded while more messages wait for a consumer than the limit, paused or not', async () => {
    const loop = (consumer: string, pending: number) =>
      ({ stream: 'ORDERS', consumer, state: 'running', silentMs: 0, ...IDLE, pending }) as const;
    const check = consumersCheck(
      () => [loop('a', LAG_LIMIT), loop('b', LAG_LIMIT + 1), { ...loop('c', 5_000), state: 'paused' }],
      LAG_LIMIT,
    );
    expect(await check.check()).toEqual(
      new Degraded('101 messages wait for ORDERS/b; 5000 messages wait for ORDERS/c', {
        running: ['ORDERS/a', 'ORDERS/b'],
        paused: ['ORDERS/c'],
      }),
    );
  });

  it('of what has started stay up once they were, and are not asked again', async () => {
    const ask = jest.fn(async () => ({ applied: 7 }));
    ask.mockRejectedValueOnce(new Error('not all migrations have run'));
    const check = startedCheck('migrations', ask);
    await expect(check.check()).rejects.toThrow('not all migrations have run');
    expect(await check.check()).toEqual({ applied: 7 });
    ask.mockRejectedValue(new Error('the database is away'));
    expect(await check.check()).toEqual({ applied: 7 });
  });

  it('lists the consumers that run', async () => {
    const check = consumersCheck(
      () => [{ stream: 'ORDERS', consumer: 'payment-orders', state: 'running', silentMs: 3, ...IDLE }],
      LAG_LIMIT,
    );
    await expect(check.check()).resolves.toEqual({ running: ['ORDERS/payment-orders'] });
  });
});
