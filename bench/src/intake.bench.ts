import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import type { BenchEnvironment, Benchmark, Variant } from './benchmark.js';
import type { LoadResult } from './intake/load.js';
import { LoadedServer } from './intake/server.js';

const REQUESTS = 40_000;
export const CONNECTIONS = 128;
const POLL_MS = 100;
export const BODY = JSON.stringify({
  customerId: 'cust-123',
  currency: 'EUR',
  lines: [
    { sku: 'sku-1', quantity: 2, unitPriceMinor: 1_250 },
    { sku: 'sku-2', quantity: 1, unitPriceMinor: 990 },
  ],
});
const HERE = fileURLToPath(new URL('.', import.meta.url));
export const LOAD = join(HERE, 'intake', 'load.js');
const BARE_LOOP = join(HERE, 'intake', 'bare-loop.js');
export const ORDER_SERVICE = join('dist', 'apps', 'order-service', 'apps', 'order-service', 'src', 'main.js');

/** What an order costs from the request to the answer after its commit, beside the least that could take it. */
export const intake: Benchmark = {
  name: 'intake',
  unit: 'orders',
  ratios: [{ label: 'order-service / bare loop', of: 'order-service', to: 'bare loop', floor: 0.6 }],
  async prepare(environment) {
    const requests = Math.round(REQUESTS * environment.scale);
    const database = await createDatabase(environment.databaseUrl);
    const env = { DATABASE_URL: database.url, NATS_URL: environment.natsUrl };
    const [bare, service] = await Promise.all([
      LoadedServer.start(BARE_LOOP, env, '/'),
      LoadedServer.start(ORDER_SERVICE, env, '/health/ready'),
    ]);
    const latencies = new Map<string, LoadResult>();
    const variant = (label: string, server: LoadedServer, settle: () => Promise<void>): Variant => ({
      label,
      run: async () => {
        const result = await server.load(LOAD, BODY, requests, CONNECTIONS);
        latencies.set(label, result);
        await settle();
        return { units: requests, elapsedMs: result.elapsedMs };
      },
    });
    return {
      variants: [
        variant('bare loop', bare, () => Promise.resolve()),
        variant('order-service', service, () => untilIdle(environment)),
      ],
      latencyMs: () => {
        const { p50 = NaN, p99 = NaN, max = NaN } = latencies.get('order-service') ?? {};
        return { p50, p99, max, 'p99, bare loop': latencies.get('bare loop')?.p99 ?? NaN };
      },
      settings: {
        requests,
        connections: CONNECTIONS,
        bytes: BODY.length,
        synchronous_commit: database.synchronousCommit,
      },
      close: async () => {
        await Promise.all([bare.stop(), service.stop()]);
        await database.drop();
      },
    };
  },
};

/** What the service still publishes and consumes must not slow the next variant down. */
export async function untilIdle({ natsUrl }: BenchEnvironment): Promise<void> {
  const nc = await connect({ servers: natsUrl });
  const manager = await jetstreamManager(nc);
  let before = -1;
  for (;;) {
    const { state } = await manager.streams.info('ORDERS');
    const { num_pending } = await manager.consumers.info('ORDERS', 'order-intake');
    if (state.last_seq === before && num_pending === 0) break;
    before = state.last_seq;
    await new Promise((poll) => setTimeout(poll, POLL_MS));
  }
  await nc.close();
}

export async function createDatabase(serverUrl: string) {
  const name = `bench_${randomBytes(6).toString('hex')}`;
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  await onServer(serverUrl, `CREATE DATABASE ${name}`);
  const [{ synchronous_commit }] = await onServer(serverUrl, 'SHOW synchronous_commit');
  return {
    url: url.toString(),
    synchronousCommit: synchronous_commit as string,
    drop: () => onServer(serverUrl, `DROP DATABASE ${name} WITH (FORCE)`),
  };
}

async function onServer(url: string, statement: string) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(statement)).rows;
  } finally {
    await client.end();
  }
}
