import { jetstreamManager } from '@nats-io/jetstream';
import { connect, headers as createHeaders } from '@nats-io/transport-node';
import { decodeEvent, EventEncoder, newEvent, orderCreatedV1 } from '@slipstream/contracts';
import { headerOf, readHeaders, type HandlerOptions, type MessageCodec } from '@slipstream/jetstream';
import { createLog, startTracing } from '@slipstream/observability';
import { randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BenchEnvironment, Benchmark, Variant } from './benchmark.js';
import { createFilledStream, runHandler, type StoredMessage } from './dispatch.bench.js';
import { BODY, CONNECTIONS, createDatabase, LOAD, ORDER_SERVICE, untilIdle } from './intake.bench.js';
import { LoadedServer } from './intake/server.js';

const COLLECTOR = join(fileURLToPath(new URL('.', import.meta.url)), 'intake', 'collector.js');
const MESSAGES = 60_000;
/** After so many recorded ones the compiler has seen enough, as it has in a service that has run for a while. */
const WARMING = 10_000;
/** Enough that collections of garbage, and what is compiled late, weigh the same in each run. */
const ORDERS = 60_000;
/** One in so many traces is recorded. */
const SAMPLED = 100;
const BATCH = { concurrency: 2, batch: { size: 500, lingerMs: 5 } };
const SINGLES = { concurrency: 256 };

/**
 * What traces cost, one in a hundred recorded and sent to a collector, beside the same without: orders from the request to
 * what order-service publishes and consumes of them, and events in an empty handler, which is the worst there is: a
 * context of its own for each message beside nothing else. Counted in seconds of the processor: a few in a hundred are lost
 * in what else a machine does.
 */
export const tracing: Benchmark = {
  name: 'tracing',
  unit: 'units',
  ratios: [
    { label: 'orders, 1 % / off', of: 'orders, 1 %', to: 'orders, off', floor: 0.95 },
    { label: 'empty batches, 1 % / off', of: 'empty batches, 1 %', to: 'empty batches, off', floor: 0.95 },
    { label: 'empty singles, 1 % / off', of: 'empty singles, 1 %', to: 'empty singles, off', floor: 0.95 },
  ],
  async prepare(environment) {
    const collector = await LoadedServer.start(COLLECTOR, {}, '/');
    const on = {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
      OTEL_TRACES_SAMPLER_ARG: String(1 / SAMPLED),
    };
    const [orders, messages] = await Promise.all([
      prepareOrders(environment, on),
      prepareMessages(environment, on),
    ]);
    return {
      variants: [...orders.variants, ...messages.variants],
      settings: {
        seconds: 'of the processor',
        sampled: 1 / SAMPLED,
        ...orders.settings,
        ...messages.settings,
      },
      close: async () => {
        await orders.close();
        await messages.close();
        await collector.stop();
      },
    };
  },
};

async function prepareOrders(environment: BenchEnvironment, on: NodeJS.ProcessEnv) {
  const requests = Math.round(ORDERS * environment.scale);
  const database = await createDatabase(environment.databaseUrl);
  const servers = { DATABASE_URL: database.url, NATS_URL: environment.natsUrl };
  const variant = (label: string, env: NodeJS.ProcessEnv): Variant => ({
    label,
    run: async () => {
      const server = await LoadedServer.start(ORDER_SERVICE, { ...servers, ...env }, '/health/ready');
      // What is compiled on the way is no cost of an order: neither of one that is recorded nor of any other.
      const warming = Math.round(requests / 4);
      await server.load(LOAD, BODY, warming, CONNECTIONS, traceparent(true));
      await server.load(LOAD, BODY, warming, CONNECTIONS);
      await untilIdle(environment);
      const before = await server.cpuSeconds();
      await server.load(LOAD, BODY, requests, CONNECTIONS);
      await untilIdle(environment);
      const elapsedMs = ((await server.cpuSeconds()) - before) * 1_000;
      await server.stop();
      return { units: requests, elapsedMs };
    },
  });
  return {
    variants: [variant('orders, off', { OTEL_SDK_DISABLED: 'true' }), variant('orders, 1 %', on)],
    settings: { orders: requests },
    close: () => database.drop(),
  };
}

async function prepareMessages(environment: BenchEnvironment, on: NodeJS.ProcessEnv) {
  const count = Math.round(MESSAGES * environment.scale);
  const stopTracing = await traceThisProcess(on);
  const nc = await connect({ servers: environment.natsUrl, noAsyncTraces: true });
  const manager = await jetstreamManager(nc);
  const stream = await createFilledStream(nc, count, (index) => tracedOrder(index % SAMPLED === 0));
  const recorded = await createFilledStream(nc, WARMING, () => tracedOrder(true));
  for (const options of [BATCH, SINGLES])
    await runHandler(environment, recorded, WARMING, options, { codec, tracing: true });
  await manager.streams.delete(recorded);
  const run = async (options: Omit<HandlerOptions, 'durable'>, isOn: boolean) => {
    const { units, cpuMs } = await runHandler(environment, stream, count, options, { codec, tracing: isOn });
    return { units, elapsedMs: cpuMs };
  };
  return {
    variants: [
      { label: 'empty batches, off', run: () => run(BATCH, false) },
      { label: 'empty batches, 1 %', run: () => run(BATCH, true) },
      { label: 'empty singles, off', run: () => run(SINGLES, false) },
      { label: 'empty singles, 1 %', run: () => run(SINGLES, true) },
    ],
    settings: { messages: count, server: nc.info?.version ?? '' },
    close: async () => {
      await manager.streams.delete(stream);
      await nc.close();
      await stopTracing();
    },
  };
}

/** The SDK takes its variables from the process; those that are started from here must not. */
async function traceThisProcess(on: NodeJS.ProcessEnv): Promise<() => Promise<void>> {
  const names = Object.keys(on);
  Object.assign(process.env, on);
  const traces = await startTracing('bench', createLog('bench', { LOG_LEVEL: 'warn' }));
  for (const name of names) delete process.env[name];
  return () => traces.onApplicationShutdown();
}

const codec: MessageCodec = {
  decode: (message) =>
    decodeEvent({
      subject: orderCreatedV1.subject,
      data: message.data,
      header: (name) => headerOf(readHeaders(message), name),
    }),
};

const events = new EventEncoder({ source: 'bench', publishes: [orderCreatedV1] });

/** An event as the outbox writes it, its sampling decided by whoever began its trace. */
function tracedOrder(isRecorded: boolean): StoredMessage {
  const order = {
    ...newEvent(randomUUID()),
    customerId: 'cust-1',
    currency: 'EUR',
    totalMinor: 2_500,
    lines: [{ sku: 'sku-1', quantity: 2, unitPriceMinor: 1_250 }],
  };
  const { data, headers: given } = events.encode(orderCreatedV1, order);
  const headers = createHeaders();
  for (const [name, value] of Object.entries(given)) headers.set(name, value);
  headers.set('traceparent', traceparent(isRecorded));
  return { data, headers };
}

function traceparent(isRecorded: boolean): string {
  const ids = `${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}`;
  return `00-${ids}-${isRecorded ? '01' : '00'}`;
}
