import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { JetStreamConnection, JetStreamPublisher } from '@slipstream/jetstream';
import { randomBytes } from 'node:crypto';
import type { BenchEnvironment, Benchmark, Ratio, Variant } from './benchmark.js';
import { publishRawBatches, publishRawSingles, type RawMessage } from './raw-publishing.js';

const MESSAGES = 40_000;
/** Fewer, because the disk confirms each of them. */
const SYNC_SINGLES = 20_000;
const IN_FLIGHT = 1_000;
const BATCH = 500;
const BODY = Buffer.from(
  JSON.stringify({ message_id: 'm'.repeat(36), order_id: 'o'.repeat(36), total_amount: 99.95 }),
);

/** `default` = the server syncs every two minutes; `always` = a message is on disk before it is acknowledged. */
const SYNC_SETTINGS = ['default', 'always'] as const;

type Publish = (messages: readonly RawMessage[]) => Promise<void>;

/** What the publisher costs beside the client alone, with a server that syncs now and then and one that always does. */
export const publish: Benchmark = {
  name: 'publish',
  unit: 'messages',
  ratios: SYNC_SETTINGS.flatMap((sync): Ratio[] => [
    {
      label: `singles / raw, sync ${sync}`,
      of: `singles, sync ${sync}`,
      to: `raw singles, sync ${sync}`,
      // Both wait for the disk and do little else, so its moods are all that differs.
      floor: sync === 'always' ? 0.6 : 0.8,
    },
    {
      label: `batches / raw, sync ${sync}`,
      of: `batches, sync ${sync}`,
      to: `raw batches, sync ${sync}`,
      floor: 0.8,
    },
  ]),
  async prepare({ natsUrl, natsSyncUrl, scale }) {
    const prepared = await Promise.all([
      prepareServer(natsUrl, 'default', { batches: MESSAGES * scale, singles: MESSAGES * scale }),
      prepareServer(natsSyncUrl, 'always', { batches: MESSAGES * scale, singles: SYNC_SINGLES * scale }),
    ]);
    return {
      variants: prepared.flatMap(({ variants }) => variants),
      settings: {
        messages: Math.round(MESSAGES * scale),
        syncSingles: Math.round(SYNC_SINGLES * scale),
        inFlight: IN_FLIGHT,
        batch: BATCH,
        bytes: BODY.length,
        storage: 'file',
        server: prepared[0]?.version ?? '',
      },
      close: async () => {
        for (const { close } of prepared) await close();
      },
    };
  },
};

async function prepareServer(
  servers: BenchEnvironment['natsUrl'],
  sync: (typeof SYNC_SETTINGS)[number],
  counts: Readonly<Record<'batches' | 'singles', number>>,
) {
  const nc: NatsConnection = await connect({ servers, noAsyncTraces: true });
  const manager = await jetstreamManager(nc);
  const connection = await JetStreamConnection.open({ servers }, 1);
  const publisher = new JetStreamPublisher(connection, { settled: ignore, published: ignore });
  const variant = (label: string, count: number, run: Publish): Variant => ({
    label: `${label}, sync ${sync}`,
    run: () => publishToNewStream(manager, Math.round(count), run),
  });
  return {
    version: nc.info?.version,
    variants: [
      variant('raw singles', counts.singles, (messages) => publishRawSingles(nc, messages, IN_FLIGHT)),
      variant('singles', counts.singles, (messages) => publishSingles(publisher, messages)),
      variant('raw batches', counts.batches, (messages) => publishRawBatches(nc, messages, BATCH)),
      variant('batches', counts.batches, (messages) => publishBatches(publisher, messages)),
    ],
    close: async () => {
      await connection.onApplicationShutdown();
      await nc.close();
    },
  };
}

async function publishToNewStream(manager: JetStreamManager, count: number, run: Publish) {
  const name = `BENCH_${randomBytes(6).toString('hex').toUpperCase()}`;
  await manager.streams.add({ name, subjects: [`${name}.events`], allow_atomic: true });
  try {
    const messages = Array.from({ length: count }, (_, index) => ({
      subject: `${name}.events`,
      data: BODY,
      messageId: `${name}-${index}`,
    }));
    const startedAt = performance.now();
    await run(messages);
    const elapsedMs = performance.now() - startedAt;
    const { state } = await manager.streams.info(name);
    if (state.messages !== count) throw new Error(`${state.messages} of ${count} messages are stored`);
    return { units: count, elapsedMs };
  } finally {
    await manager.streams.delete(name);
  }
}

async function publishSingles(publisher: JetStreamPublisher, messages: readonly RawMessage[]): Promise<void> {
  for (let sent = 0; sent < messages.length; sent += IN_FLIGHT) {
    await Promise.all(messages.slice(sent, sent + IN_FLIGHT).map((message) => publisher.publish(message)));
  }
}

async function publishBatches(publisher: JetStreamPublisher, messages: readonly RawMessage[]): Promise<void> {
  for (let sent = 0; sent < messages.length; sent += BATCH) {
    const { mode } = await publisher.publishBatch(messages.slice(sent, sent + BATCH));
    if (mode !== 'atomic') throw new Error('the server refused a batch');
  }
}

function ignore(): void {}
