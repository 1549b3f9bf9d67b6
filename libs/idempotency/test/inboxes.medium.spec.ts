import { describe } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { connect } from '@nats-io/transport-node';
import { NatsKvInbox, PostgresInbox, RedisInbox } from '@slipstream/idempotency';
import { natsUrl, redisUrl, uniqueName } from '@slipstream/testing';
import { Redis } from 'ioredis';
import { LeasedInbox } from '../src/leased/leased-inbox.js';
import { MemoryReservations } from '../src/leased/memory-inbox.js';
import { NatsKvReservations } from '../src/leased/nats-kv-inbox.js';
import { RedisReservations } from '../src/leased/redis-inbox.js';
import { itIsAnInbox } from './conformance.js';
import { itLeases } from './leased.conformance.js';
import { createInboxDatabase } from './postgres.harness.js';

itIsAnInbox('PostgreSQL', async () => {
  const { dataSource, drop } = await createInboxDatabase();
  return { open: (observer) => new PostgresInbox(dataSource, { observer }), close: drop };
});

/** Several of them share a store, as several processes do. */
class StoredInbox extends LeasedInbox {}

itIsAnInbox('memory', () => {
  const store = new MemoryReservations();
  return Promise.resolve({
    open: (observer) => new StoredInbox(store, { observer }),
    close: () => Promise.resolve(),
  });
});
itLeases('memory', () =>
  Promise.resolve({ store: new MemoryReservations(), close: () => Promise.resolve() }),
);

async function openBucket() {
  const connection = await connect({ servers: natsUrl() });
  const bucket = uniqueName('inbox');
  const close = async () => {
    await (await jetstreamManager(connection)).streams.delete(`KV_${bucket}`);
    await connection.close();
  };
  return { connection, bucket, close };
}

itIsAnInbox('NATS KV', async () => {
  const { connection, bucket, close } = await openBucket();
  await NatsKvInbox.open(connection, { bucket });
  const kv = await new Kvm(jetstream(connection)).open(bucket);
  return { open: (observer) => new StoredInbox(new NatsKvReservations(kv), { observer }), close };
});
itLeases('NATS KV', async () => {
  const { connection, bucket, close } = await openBucket();
  const kv = await new Kvm(jetstream(connection)).create(bucket, { history: 1 });
  return { store: new NatsKvReservations(kv), close };
});

const url = redisUrl();
// Without a Redis the suites are shown as skipped.
(url ? describe : describe.skip)('with a Redis', () => {
  const openClient = () => {
    const client = new Redis(url ?? '');
    return { client, prefix: uniqueName('inbox'), close: () => Promise.resolve(client.disconnect()) };
  };
  itIsAnInbox('Redis', () => {
    const { client, prefix, close } = openClient();
    return Promise.resolve({ open: (observer) => new RedisInbox(client, { prefix, observer }), close });
  });
  itLeases('Redis', () => {
    const { client, prefix, close } = openClient();
    return Promise.resolve({ store: new RedisReservations(client, undefined, prefix), close });
  });
});
