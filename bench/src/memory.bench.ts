import { jetstreamManager, StorageType } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { Controller } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { connectJetStream, EventPattern, JetStreamModule } from '@slipstream/jetstream';
import { randomBytes } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Benchmark } from './benchmark.js';

const MESSAGES = 10_000_000;
/** Rounds of a full run, the one that warms up included, share the messages. */
const RUNS = 6;
/** More at once, and the server refuses what it cannot buffer. */
const CHUNK = 5_000;
/** Samples of one run. */
const SAMPLES = 10;
const BODY = JSON.stringify({ message_id: 'm'.repeat(36), order_id: 'o'.repeat(36), total_amount: 99.95 });

/** Ten million messages through one process: what each leaves behind must be nothing. */
export const memory: Benchmark = {
  name: 'memory',
  unit: 'messages',
  ratios: [
    {
      label: 'heap, first tenth / last',
      of: 'heap KiB, first tenth',
      to: 'heap KiB, last tenth',
      floor: 0.8,
    },
  ],
  async prepare({ natsUrl, scale }) {
    const nc = await connect({ servers: natsUrl });
    const manager = await jetstreamManager(nc);
    const stream = `BENCH_${randomBytes(6).toString('hex').toUpperCase()}`;
    await manager.streams.add({ name: stream, subjects: [`${stream}.events`], storage: StorageType.Memory });
    const sink = new Sink();
    const app = await startApp(natsUrl, stream, sink);
    const perRun = Math.round((MESSAGES * scale) / RUNS);
    const heap: number[] = [];
    const run = async () => {
      const startedAt = performance.now();
      for (let sample = 1; sample <= SAMPLES; sample++) {
        await handle(nc, `${stream}.events`, sink, Math.round(perRun / SAMPLES));
        await manager.streams.purge(stream);
        heap.push(heapInUse());
      }
      return { units: perRun, elapsedMs: performance.now() - startedAt };
    };
    return {
      variants: [{ label: 'handler', run }],
      settings: {
        messagesPerRound: perRun,
        bytes: BODY.length,
        storage: 'memory',
        server: nc.info?.version ?? '',
      },
      figures: () => {
        const tenth = Math.ceil(heap.length / 10);
        return {
          'heap KiB, first tenth': median(heap.slice(0, tenth)),
          'heap KiB, last tenth': median(heap.slice(-tenth)),
        };
      },
      close: async () => {
        await app.close();
        await manager.streams.delete(stream);
        await nc.close();
      },
    };
  },
};

class Sink {
  private awaited = 0;
  private resolve: (() => void) | undefined;

  /** Resolves when `count` more messages were handled. */
  expect(count: number): Promise<void> {
    this.awaited = count;
    return new Promise((resolve) => (this.resolve = resolve));
  }

  take(): void {
    if (--this.awaited === 0) this.resolve?.();
  }
}

async function handle(nc: NatsConnection, subject: string, sink: Sink, count: number): Promise<void> {
  for (let sent = 0; sent < count; sent += CHUNK) {
    const chunk = Math.min(CHUNK, count - sent);
    const handled = sink.expect(chunk);
    for (let index = 0; index < chunk; index++) nc.publish(subject, BODY);
    await handled;
  }
}

async function startApp(natsUrl: string, stream: string, sink: Sink) {
  @Controller()
  class SinkController {
    @EventPattern(`${stream}.events`, { durable: 'sink', concurrency: 256 })
    on(): void {
      sink.take();
    }
  }
  const module = JetStreamModule.forRoot({
    service: 'bench',
    connection: { servers: natsUrl },
    streams: [{ name: stream, subjects: [`${stream}.events`], deadLetterSubject: `${stream}.dlq` }],
  });
  class BenchModule {}
  const app = await NestFactory.create(
    { module: BenchModule, imports: [module], controllers: [SinkController] },
    new FastifyAdapter(),
    { logger: ['error'] },
  );
  connectJetStream(app);
  await app.init();
  await app.startAllMicroservices();
  return app;
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function heapInUse(): number {
  collectGarbage();
  return Math.round(process.memoryUsage().heapUsed / 1_024);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
