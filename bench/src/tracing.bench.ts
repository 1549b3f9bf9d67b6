import { jetstreamManager } from '@nats-io/jetstream';
import { connect, headers as createHeaders } from '@nats-io/transport-node';
import { NodeSDK } from '@opentelemetry/sdk-node';
import {
  BatchSpanProcessor,
  InMemorySpanExporter,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace';
import { decodeEvent, EventEncoder, newEvent, orderCreatedV1 } from '@slipstream/contracts';
import { headerOf, readHeaders, type HandlerOptions, type MessageCodec } from '@slipstream/jetstream';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { BenchEnvironment, Benchmark, Variant } from './benchmark.js';
import { createFilledStream, runHandler, type StoredMessage } from './dispatch.bench.js';
import { BODY, CONNECTIONS, createDatabase, LOAD, ORDER_SERVICE, untilIdle } from './intake.bench.js';
import { LoadedServer } from './intake/server.js';

const MESSAGES = 60_000;
const ORDERS = 20_000;
/** One in so many traces is recorded. */
const SAMPLED = 100;
const BATCH = { concurrency: 2, batch: { size: 500, lingerMs: 5 } };

/**
 * What traces cost, one in a hundred recorded, beside the same without: orders from the request to what order-service
 * publishes and consumes of them, and events in an empty handler. Counted in seconds of the processor: a few in a
 * hundred are lost in what else a machine does. The empty handler of single messages is the worst there is, a context of
 * its own for each message beside nothing else.
 */
export const tracing: Benchmark = {
  name: 'tracing',
  unit: 'units',
  ratios: [
    { label: 'orders, 1 % / off', of: 'orders, 1 %', to: 'orders, off', floor: 0.85 },
    { label: 'empty batches, 1 % / off', of: 'empty batches, 1 %', to: 'empty batches, off', floor: 0.8 },
    { label: 'empty singles, 1 % / off', of: 'empty singles, 1 %', to: 'empty singles, off', floor: 0.75 },
  ],
  async prepare(environment) {
    const [orders, messages] = await Promise.all([prepareOrders(environment), prepareMessages(environment)]);
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
      },
    };
  },
};

async function prepareOrders(environment: BenchEnvironment) {
  const requests = Math.round(ORDERS * environment.scale);
  const database = await createDatabase(environment.databaseUrl);
  const collector = createServer((request, response) => {
    request.resume().on('end', () => response.end());
  }).listen(0, '127.0.0.1');
  await once(collector, 'listening');
  const { port } = collector.address() as AddressInfo;
  const off = { DATABASE_URL: database.url, NATS_URL: environment.natsUrl };
  const on = {
    ...off,
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
    OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
    OTEL_TRACES_SAMPLER_ARG: String(1 / SAMPLED),
  };
  const variant = (label: string, env: NodeJS.ProcessEnv): Variant => ({
    label,
    run: async () => {
      const server = await LoadedServer.start(ORDER_SERVICE, env, '/health/ready');
      // What is compiled on the way is no cost of an order.
      await server.load(LOAD, BODY, Math.round(requests / 4), CONNECTIONS);
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
    variants: [variant('orders, off', off), variant('orders, 1 %', on)],
    settings: { orders: requests },
    close: async () => {
      collector.close();
      await database.drop();
    },
  };
}

async function prepareMessages(environment: BenchEnvironment) {
  const count = Math.round(MESSAGES * environment.scale);
  const sdk = startSdk();
  const nc = await connect({ servers: environment.natsUrl, noAsyncTraces: true });
  const stream = await createFilledStream(nc, count, tracedOrder);
  const variant = (label: string, options: Omit<HandlerOptions, 'durable'>, isOn: boolean): Variant => ({
    label,
    run: async () => {
      const transport = { codec, tracing: isOn };
      const { units, cpuMs } = await runHandler(environment, stream, count, options, transport);
      return { units, elapsedMs: cpuMs };
    },
  });
  return {
    variants: [
      variant('empty batches, off', BATCH, false),
      variant('empty batches, 1 %', BATCH, true),
      variant('empty singles, off', { concurrency: 256 }, false),
      variant('empty singles, 1 %', { concurrency: 256 }, true),
    ],
    settings: { messages: count, server: nc.info?.version ?? '' },
    close: async () => {
      await (await jetstreamManager(nc)).streams.delete(stream);
      await nc.close();
      await sdk.shutdown();
    },
  };
}

const codec: MessageCodec = {
  decode: (message) =>
    decodeEvent({
      subject: orderCreatedV1.subject,
      data: message.data,
      header: (name) => headerOf(readHeaders(message), name),
    }),
};

function startSdk(): NodeSDK {
  const sdk = new NodeSDK({
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(1 / SAMPLED) }),
    spanProcessors: [new BatchSpanProcessor({ exporter: new InMemorySpanExporter() })],
    metricReaders: [],
    logRecordProcessors: [],
  });
  sdk.start();
  return sdk;
}

const events = new EventEncoder({ source: 'bench', publishes: [orderCreatedV1] });

/** An event as the outbox writes it, its sampling decided by whoever began its trace. */
function tracedOrder(index: number): StoredMessage {
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
  const flags = index % SAMPLED === 0 ? '01' : '00';
  const ids = `${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}`;
  headers.set('traceparent', `00-${ids}-${flags}`);
  return { data, headers };
}
