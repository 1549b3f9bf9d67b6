import { jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { EventEncoder, newEvent, orderCreatedV1, type EncodedEvent } from '@slipstream/contracts';
import { JetStreamConnection, JetStreamPublisher } from '@slipstream/jetstream';
import { Outbox, outboxMigrations, OutboxRelay, OutboxRows } from '@slipstream/outbox';
import { dataSourceOptions } from '@slipstream/postgres';
import { randomBytes, randomUUID } from 'node:crypto';
import { DataSource } from 'typeorm';
import type { BenchEnvironment, Benchmark } from './benchmark.js';
import { publishRawBatches } from './raw-publishing.js';

const encoder = new EventEncoder({ source: 'bench', publishes: [orderCreatedV1] });
const MESSAGES = 50_000;
/** Members of a batch of the baseline. The relay fills its own up to the server's limit of 1,000 when so much waits. */
const BATCH = 500;
const FULL_BATCH = 1_000;
const APPEND = 1_000;

/**
 * From committed outbox rows to the stream's acknowledgement, beside publishing the same messages from memory. Every
 * batch and every commit is on disk before it is acknowledged.
 */
export const relay: Benchmark = {
  name: 'relay',
  unit: 'messages',
  ratios: [
    { label: 'relay / raw atomic', of: 'relay', to: 'raw atomic', floor: 0.8 },
    // Like with like: what the relay gains by larger batches is not counted here.
    { label: 'relay / full batches', of: 'relay', to: 'raw atomic, full batches', floor: 0.8 },
  ],
  async prepare({ natsSyncUrl, databaseUrl, scale }: BenchEnvironment) {
    const count = Math.round(MESSAGES * scale);
    const nc = await connect({ servers: natsSyncUrl, noAsyncTraces: true });
    const manager = await jetstreamManager(nc);
    const stream = `BENCH_${randomBytes(6).toString('hex').toUpperCase()}`;
    await manager.streams.add({ name: stream, subjects: [`${stream}.>`], allow_atomic: true });
    const dataSource = await openDatabase(databaseUrl, stream.toLowerCase());
    const connection = await JetStreamConnection.open({ servers: natsSyncUrl }, 1);
    const publisher = new JetStreamPublisher(connection, { settled: ignore, published: ignore });
    const [{ setting }] = await dataSource.query(`SELECT current_setting('synchronous_commit') AS setting`);
    const events = () => Array.from({ length: count }, () => orderCreated(stream));
    return {
      variants: [
        { label: 'raw atomic', run: () => publishRaw(nc, events(), BATCH) },
        { label: 'raw atomic, full batches', run: () => publishRaw(nc, events(), FULL_BATCH) },
        { label: 'relay', run: () => relayAll(dataSource, publisher, events()) },
      ],
      settings: {
        messages: count,
        bytes: orderCreated(stream).data.length,
        synchronousCommit: setting,
        sync: 'always',
        server: nc.info?.version ?? '',
      },
      close: async () => {
        await manager.streams.delete(stream);
        await dataSource.dropDatabase();
        await dataSource.destroy();
        await connection.onApplicationShutdown();
        await nc.close();
      },
    };
  },
};

async function openDatabase(url: string, schema: string): Promise<DataSource> {
  const setup = await new DataSource({ type: 'postgres', url }).initialize();
  await setup.query(`CREATE SCHEMA ${schema}`);
  await setup.destroy();
  return new DataSource({
    ...dataSourceOptions({ url, schema, migrations: outboxMigrations }),
    migrationsRun: true,
  }).initialize();
}

function orderCreated(stream: string): EncodedEvent {
  const order = {
    ...newEvent(randomUUID()),
    customerId: 'cust-1',
    currency: 'EUR',
    totalMinor: 2_500,
    lines: [{ sku: 'sku-1', quantity: 2, unitPriceMinor: 1_250 }],
  };
  return { ...encoder.encode(orderCreatedV1, order), subject: `${stream}.created` };
}

async function publishRaw(nc: NatsConnection, events: readonly EncodedEvent[], size: number) {
  const startedAt = performance.now();
  await publishRawBatches(nc, events, size);
  return { units: events.length, elapsedMs: performance.now() - startedAt };
}

async function relayAll(dataSource: DataSource, publisher: JetStreamPublisher, events: EncodedEvent[]) {
  const outbox = new Outbox();
  const { length } = events;
  // Not one in between, nor by itself: PostgreSQL would log whole pages as the relay reads them for the first time, which
  // it does not for what was committed a moment ago.
  await dataSource.query('CHECKPOINT');
  // Given up as they are appended: a relay holds nothing that it has not read, for its garbage collector to look through.
  while (events.length > 0) {
    const next = events.splice(0, APPEND);
    await dataSource.transaction((tx) => outbox.append(tx, next));
  }
  const { promise, resolve } = Promise.withResolvers<void>();
  let published = 0;
  const observer = {
    published: (count: number) => {
      published += count;
      if (published >= length) resolve();
    },
    failed: ignore,
    missing: ignore,
    watch: ignore,
  };
  const rows = new TimedRows();
  const running = new OutboxRelay(dataSource, publisher, { observer, rows });
  running.onApplicationBootstrap();
  await promise;
  const elapsedMs = performance.now() - rows.startedAt;
  await running.beforeApplicationShutdown();
  return { units: length, elapsedMs };
}

/** Knows when the first row was asked for: taking the lock is not what is measured. */
class TimedRows extends OutboxRows {
  startedAt = 0;

  override read(...request: Parameters<OutboxRows['read']>): ReturnType<OutboxRows['read']> {
    this.startedAt ||= performance.now();
    return super.read(...request);
  }
}

function ignore(): void {}
