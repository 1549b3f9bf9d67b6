import { Injectable, Logger, Module, type BeforeApplicationShutdown } from '@nestjs/common';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { connectionCheck, consumersCheck, databaseCheck, degradable, outboxCheck } from './checks.js';
import type { HealthCheck, HealthChecks } from './health-check.js';
import { HealthModule } from './health.module.js';

interface Broker {
  failure: string | undefined;
}

@Module({
  providers: [{ provide: 'BROKER', useValue: { failure: undefined } satisfies Broker }],
  exports: ['BROKER'],
})
class BrokerModule {}

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
    const check = consumersCheck(() => [
      { stream: 'ORDERS', consumer: 'payment-orders', state: 'running', silentMs: 3 },
      { stream: 'ORDERS', consumer: 'order-intake', state: 'stalled', silentMs: 31_000.4 },
      { stream: 'PAYMENTS', consumer: 'order-payments', state: 'stopped', silentMs: 5 },
    ]);
    await expect(check.check()).rejects.toThrow(
      'ORDERS/order-intake is stalled, silent for 31000 ms; PAYMENTS/order-payments is stopped, silent for 5 ms',
    );
  });

  it('is up while a consumer is paused, and says which', async () => {
    const check = consumersCheck(() => [
      { stream: 'ORDERS', consumer: 'payment-orders', state: 'paused', silentMs: 0 },
      { stream: 'ORDERS', consumer: 'order-intake', state: 'running', silentMs: 3 },
    ]);
    await expect(check.check()).resolves.toEqual({
      running: ['ORDERS/order-intake'],
      paused: ['ORDERS/payment-orders'],
    });
  });

  it('that are degradable stay up and say why they are not well, also when they hang', async () => {
    const broken = connectionCheck('nats', () => Promise.reject(new Error('connection refused')));
    expect(await degradable(broken).check()).toEqual({ state: 'degraded', reason: 'connection refused' });
    const hanging = connectionCheck('nats', () => new Promise(() => undefined));
    expect(await degradable(hanging).check()).toMatchObject({ state: 'degraded' });
    const well = { key: 'streams', check: async () => ({ provisioned: 3 }) };
    expect(await degradable(well).check()).toEqual({ provisioned: 3 });
  });

  it('show the outbox as degraded and never as down', async () => {
    const check = (isDegraded: boolean) =>
      outboxCheck(() => ({ isDegraded, details: { pending: 7 } })).check();
    expect(await check(true)).toEqual({ state: 'degraded', pending: 7 });
    expect(await check(false)).toEqual({ state: 'well', pending: 7 });
  });

  it('lists the consumers that run', async () => {
    const check = consumersCheck(() => [
      { stream: 'ORDERS', consumer: 'payment-orders', state: 'running', silentMs: 3 },
    ]);
    await expect(check.check()).resolves.toEqual({ running: ['ORDERS/payment-orders'] });
  });
});
