import { AckPolicy, jetstream, jetstreamManager, StorageType, type JsMsg } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { Controller, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, Payload } from '@nestjs/microservices';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { inboxMigrations, PostgresInbox } from '@slipstream/idempotency';
import {
  connectJetStream,
  EventPattern,
  JetStreamBatchContext,
  JetStreamModule,
} from '@slipstream/jetstream';
import { dataSourceOptions } from '@slipstream/postgres';
import { spawnSync } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import pg from 'pg';
import { DataSource, type EntityManager } from 'typeorm';
import type { BenchEnvironment, Benchmark } from './benchmark.js';

const MESSAGES = 60_000;
const BATCH = 500;
/** The serial consumer does less of the same work, or it would take most of the time. */
const SERIAL_SHARE = 0.1;

interface Order {
  readonly message_id: string;
  readonly order_id: string;
  readonly total_amount: number;
}

interface Scene {
  readonly environment: BenchEnvironment;
  readonly dataSource: DataSource;
  readonly pool: pg.Pool;
  readonly stream: string;
  readonly count: number;
}

/**
 * Idempotent consumption into PostgreSQL. Each variant checks one unique key a message: the raw loop and the article's
 * consumer that of their effects, ours that of the inbox, which is why its effects need none.
 */
export const inbox: Benchmark = {
  name: 'inbox',
  unit: 'messages',
  ratios: [
    { label: 'inbox / raw loop', of: 'inbox', to: 'raw loop', floor: 0.8 },
    { label: 'inbox / article', of: 'inbox', to: 'article', floor: 12 },
  ],
  async prepare(environment) {
    const count = Math.round(MESSAGES * environment.scale);
    const nc = await connect({ servers: environment.natsUrl, noAsyncTraces: true });
    const stream = await createFilledStream(nc, count);
    const schema = stream.toLowerCase();
    const dataSource = await openDatabase(environment.databaseUrl, schema);
    const pool = new pg.Pool({
      connectionString: environment.databaseUrl,
      options: `-c search_path=${schema}`,
    });
    const scene: Scene = { environment, dataSource, pool, stream, count };
    const [{ setting }] = await dataSource.query(`SELECT current_setting('synchronous_commit') AS setting`);
    if (spawnSync('go', ['version']).error)
      console.log('inbox: the consumer in Go is skipped, there is no go');
    return {
      variants: [
        { label: 'raw loop', run: () => runRaw(scene) },
        { label: 'inbox', run: () => runInbox(scene) },
        { label: 'article', run: () => runSerial(scene) },
      ],
      settings: { messages: count, batch: BATCH, synchronousCommit: setting, server: nc.info?.version ?? '' },
      close: async () => {
        await (await jetstreamManager(nc)).streams.delete(stream);
        await dataSource.query(`DROP SCHEMA ${schema} CASCADE`);
        await Promise.all([dataSource.destroy(), pool.end(), nc.close()]);
      },
    };
  },
};

async function openDatabase(url: string, schema: string): Promise<DataSource> {
  const setup = await new DataSource({ type: 'postgres', url }).initialize();
  await setup.query(`CREATE SCHEMA ${schema}`);
  await setup.destroy();
  const dataSource = await new DataSource({
    ...dataSourceOptions({ url, schema, migrations: inboxMigrations }),
    migrationsRun: true,
  }).initialize();
  const columns = 'order_id text NOT NULL, total double precision NOT NULL';
  await dataSource.query(`CREATE TABLE keyed_effects (message_id text PRIMARY KEY, ${columns})`);
  await dataSource.query(`CREATE TABLE effects (message_id text NOT NULL, ${columns})`);
  return dataSource;
}

async function createFilledStream(nc: NatsConnection, count: number): Promise<string> {
  const name = `BENCH_${randomBytes(6).toString('hex').toUpperCase()}`;
  const manager = await jetstreamManager(nc);
  await manager.streams.add({ name, subjects: [`${name}.events`], storage: StorageType.File });
  const client = jetstream(nc);
  for (let sent = 0; sent < count; sent += 1_000) {
    const chunk = Array.from({ length: Math.min(1_000, count - sent) }, () => JSON.stringify(newOrder()));
    await Promise.all(chunk.map((body) => client.publish(`${name}.events`, body)));
  }
  return name;
}

function newOrder(): Order & { customer_id: string; created_at: number } {
  return {
    message_id: randomUUID(),
    order_id: randomUUID(),
    customer_id: 'cust-123',
    total_amount: 99.95,
    created_at: Date.now(),
  };
}

/** Consumes `count` messages by hand, `size` at a time, each batch after the one before. */
async function consume(
  { environment, stream }: Scene,
  count: number,
  size: number,
  take: (messages: readonly JsMsg[]) => Promise<void>,
): Promise<{ units: number; elapsedMs: number }> {
  const nc = await connect({ servers: environment.natsUrl });
  const durable = `raw${randomBytes(6).toString('hex')}`;
  const settings = { durable_name: durable, ack_policy: AckPolicy.Explicit, max_ack_pending: 20_000 };
  await (await jetstreamManager(nc)).consumers.add(stream, settings);
  const messages = await (
    await jetstream(nc).consumers.get(stream, durable)
  ).consume({ max_messages: 2_000 });
  let startedAt = 0;
  let seen = 0;
  let batch: JsMsg[] = [];
  for await (const message of messages) {
    startedAt ||= performance.now();
    batch.push(message);
    if (batch.length < size && seen + batch.length < count) continue;
    await take(batch);
    for (const taken of batch) taken.ack();
    seen += batch.length;
    batch = [];
    if (seen >= count) break;
  }
  await nc.flush();
  const elapsedMs = performance.now() - startedAt;
  await nc.close();
  return { units: seen, elapsedMs };
}

async function runRaw(scene: Scene) {
  await scene.pool.query('TRUNCATE keyed_effects');
  return consume(scene, scene.count, BATCH, async (messages) => {
    const orders = messages.map((message) => message.json<Order>());
    await scene.pool.query(`INSERT INTO keyed_effects ${ROWS} ON CONFLICT DO NOTHING`, columnsOf(orders));
  });
}

/** One subscription, one INSERT a message, one ack after it. */
async function runSerial(scene: Scene) {
  await scene.pool.query('TRUNCATE keyed_effects');
  return consume(scene, Math.round(scene.count * SERIAL_SHARE), 1, async ([message]) => {
    const { message_id, order_id, total_amount } = message?.json<Order>() ?? newOrder();
    await scene.pool.query('INSERT INTO keyed_effects VALUES ($1, $2, $3) ON CONFLICT DO NOTHING', [
      message_id,
      order_id,
      total_amount,
    ]);
  });
}

async function runInbox(scene: Scene) {
  await scene.dataSource.query('TRUNCATE effects, inbox');
  const { promise, resolve } = Promise.withResolvers<void>();
  let seen = 0;
  let startedAt = 0;
  const remember = new PostgresInbox(scene.dataSource);
  const controller = consumerOf(scene.stream, async (orders, context) => {
    startedAt ||= performance.now();
    await remember.onceEach(context.messages, async (tx: EntityManager, fresh) => {
      const wanted = orders.filter(({ message_id }) => fresh.has(message_id));
      await tx.query(`INSERT INTO effects ${ROWS}`, columnsOf(wanted));
    });
    seen += orders.length;
    if (seen >= scene.count) resolve();
  });
  const app = await startApp(scene, controller);
  await app.startAllMicroservices();
  await promise;
  const elapsedMs = performance.now() - startedAt;
  await app.close();
  return { units: scene.count, elapsedMs };
}

const ROWS = 'SELECT * FROM unnest($1::text[], $2::text[], $3::double precision[])';

function columnsOf(orders: readonly Order[]): unknown[] {
  return [
    orders.map(({ message_id }) => message_id),
    orders.map(({ order_id }) => order_id),
    orders.map(({ total_amount }) => total_amount),
  ];
}

function consumerOf(
  stream: string,
  handle: (orders: readonly Order[], context: JetStreamBatchContext) => Promise<void>,
): Type {
  const durable = `inbox${randomBytes(6).toString('hex')}`;

  @Controller()
  class OrdersController {
    @EventPattern(`${stream}.events`, { durable, concurrency: 4, batch: { size: BATCH, lingerMs: 5 } })
    on(@Payload() orders: readonly Order[], @Ctx() context: JetStreamBatchContext): Promise<void> {
      return handle(orders, context);
    }
  }
  return OrdersController;
}

async function startApp({ environment, stream }: Scene, controller: Type) {
  const definition = { name: stream, subjects: [`${stream}.events`], deadLetterSubject: `${stream}.dlq` };
  const module = JetStreamModule.forRoot({
    service: 'bench',
    connection: { servers: environment.natsUrl },
    streams: [definition],
    codec: {
      decode: ({ data }) => {
        const payload = JSON.parse(
          Buffer.from(data.buffer, data.byteOffset, data.length).toString(),
        ) as Order;
        return { payload, messageId: payload.message_id };
      },
    },
  });
  class BenchModule {}
  const app = await NestFactory.create(
    { module: BenchModule, imports: [module], controllers: [controller] },
    new FastifyAdapter(),
    { logger: ['error'] },
  );
  connectJetStream(app);
  await app.init();
  return app;
}
