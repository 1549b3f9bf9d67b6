import { AckPolicy, jetstream, jetstreamManager, StorageType } from '@nats-io/jetstream';
import { connect, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node';
import { Controller, type INestApplication, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import {
  connectJetStream,
  EventPattern,
  JetStreamModule,
  type HandlerOptions,
  type JetStreamOptions,
} from '@slipstream/jetstream';
import { randomBytes } from 'node:crypto';
import type { BenchEnvironment, Benchmark, Variant } from './benchmark.js';

/** A tenth of them, in a quick run, still takes longer than the compiler needs to get warm. */
const MESSAGES = 300_000;
const BATCH = 500;
const BODY = JSON.stringify({ message_id: 'm'.repeat(36), order_id: 'o'.repeat(36), total_amount: 99.95 });

/** What the transport costs: empty handlers beside a bare callback that acks, both from their first message on. */
export const dispatch: Benchmark = {
  name: 'dispatch',
  unit: 'messages',
  ratios: [
    { label: 'handler / raw callback', of: 'handler', to: 'raw callback', floor: 0.5 },
    { label: 'batch handler / raw callback', of: 'batch handler', to: 'raw callback', floor: 0.8 },
  ],
  async prepare(environment) {
    const count = Math.round(MESSAGES * environment.scale);
    const nc = await connect({ servers: environment.natsUrl, noAsyncTraces: true });
    const stream = await createFilledStream(nc, count);
    const variants: Variant[] = [
      { label: 'raw callback', run: () => runRaw(environment, stream, count) },
      { label: 'handler', run: () => runHandler(environment, stream, count, { concurrency: 256 }) },
      {
        label: 'batch handler',
        run: () =>
          runHandler(environment, stream, count, { concurrency: 2, batch: { size: BATCH, lingerMs: 5 } }),
      },
    ];
    const close = async () => {
      await (await jetstreamManager(nc)).streams.delete(stream);
      await nc.close();
    };
    return {
      variants,
      close,
      settings: { messages: count, bytes: BODY.length, storage: 'memory', server: nc.info?.version ?? '' },
    };
  },
};

/** A message of a stream that a benchmark consumes. */
export interface StoredMessage {
  readonly data: string | Uint8Array;
  readonly headers?: MsgHdrs;
}

export async function createFilledStream(
  nc: NatsConnection,
  count: number,
  create: (index: number) => StoredMessage = () => ({ data: BODY }),
): Promise<string> {
  const name = `BENCH_${randomBytes(6).toString('hex').toUpperCase()}`;
  const manager = await jetstreamManager(nc);
  await manager.streams.add({ name, subjects: [`${name}.events`], storage: StorageType.Memory });
  const client = jetstream(nc);
  for (let sent = 0; sent < count; sent += 1_000) {
    const chunk = Math.min(1_000, count - sent);
    await Promise.all(
      Array.from({ length: chunk }, (_, index) => {
        const { data, headers } = create(sent + index);
        return client.publish(`${name}.events`, data, headers ? { headers } : {});
      }),
    );
  }
  return name;
}

async function runRaw({ natsUrl }: BenchEnvironment, stream: string, count: number) {
  const nc = await connect({ servers: natsUrl });
  const durable = `raw${randomBytes(6).toString('hex')}`;
  await (
    await jetstreamManager(nc)
  ).consumers.add(stream, {
    durable_name: durable,
    ack_policy: AckPolicy.Explicit,
    max_ack_pending: 20_000,
  });
  const consumer = await jetstream(nc).consumers.get(stream, durable);
  const { promise, resolve } = Promise.withResolvers<void>();
  let seen = 0;
  let startedAt = 0;
  const messages = await consumer.consume({
    max_messages: 2_000,
    callback: (message) => {
      if (seen === 0) startedAt = performance.now();
      message.ack();
      if (++seen === count) resolve();
    },
  });
  await promise;
  const elapsedMs = performance.now() - startedAt;
  messages.stop();
  await nc.close();
  return { units: count, elapsedMs };
}

/** Consumes a stream from its first message on, with a handler that does nothing. `cpuMs` is the time of this process. */
export async function runHandler(
  environment: BenchEnvironment,
  stream: string,
  count: number,
  options: Omit<HandlerOptions, 'durable'>,
  transport: Pick<JetStreamOptions, 'codec' | 'tracing'> = {},
) {
  const { promise, resolve } = Promise.withResolvers<void>();
  let seen = 0;
  let first = 0;
  let startedAt = 0;
  let cpu = process.cpuUsage();
  const controller = emptyHandler(stream, options, (handled) => {
    seen += handled;
    if (startedAt === 0) {
      startedAt = performance.now();
      cpu = process.cpuUsage();
      // It was gathered before the clock started.
      first = handled;
    }
    if (seen >= count) resolve();
  });
  const app = await startApp(environment, stream, { controller, transport });
  await app.startAllMicroservices();
  await promise;
  const elapsedMs = performance.now() - startedAt;
  const { user, system } = process.cpuUsage(cpu);
  await app.close();
  return { units: count - first, elapsedMs, cpuMs: (user + system) / 1_000 };
}

function emptyHandler(
  stream: string,
  options: Omit<HandlerOptions, 'durable'>,
  onHandled: (count: number) => void,
): Type {
  const durable = `handler${randomBytes(6).toString('hex')}`;

  @Controller()
  class EmptyController {
    @EventPattern(`${stream}.events`, { durable, ...options })
    on(payload: unknown): void {
      onHandled(Array.isArray(payload) ? payload.length : 1);
    }
  }
  return EmptyController;
}

async function startApp(
  { natsUrl }: BenchEnvironment,
  stream: string,
  { controller, transport }: { controller: Type; transport: Pick<JetStreamOptions, 'codec' | 'tracing'> },
): Promise<INestApplication> {
  const definition = { name: stream, subjects: [`${stream}.events`], deadLetterSubject: `${stream}.dlq` };
  const module = JetStreamModule.forRoot({
    service: 'bench',
    connection: { servers: natsUrl },
    streams: [definition],
    ...transport,
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
