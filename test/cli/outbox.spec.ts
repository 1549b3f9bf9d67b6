import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { JetStreamConnection, JetStreamPublisher } from '@slipstream/jetstream';
import { Outbox, outboxMigrations, OutboxRelay } from '@slipstream/outbox';
import { dataSourceOptions } from '@slipstream/postgres';
import { createTestDatabase, type TestDatabase } from '@slipstream/testing';
import { randomUUID } from 'node:crypto';
import { DataSource } from 'typeorm';
import { CommandLine } from './command-line.ts';

const SINCE = ['--since', '2020-01-01T00:00:00Z'];
const SERVICE = ['--service', 'order-service'];

// Every command is a process that loads its libraries, also on a machine that does something else.
jest.setTimeout(240_000);

describe('the command line on an outbox', () => {
  let database: TestDatabase;
  let dataSource: DataSource;
  let commands: CommandLine;
  let nc: NatsConnection;
  let manager: JetStreamManager;
  let relay: OutboxRelay;

  async function append(subject: string, bytes = 10): Promise<string> {
    const messageId = randomUUID();
    const event = { messageId, aggregateId: messageId, subject, headers: {}, data: Buffer.alloc(bytes) };
    await dataSource.transaction((tx) => new Outbox().append(tx, [event]));
    await relay.relayBatch();
    return messageId;
  }

  async function pending(): Promise<number> {
    const [{ count }] = await dataSource.query('SELECT count(*)::int AS count FROM outbox_pending');
    return count;
  }

  async function messages(stream = 'ORDERS'): Promise<number> {
    return (await manager.streams.info(stream)).state.messages;
  }

  async function loseStreams(): Promise<void> {
    for (const name of ['ORDERS', 'PAYMENTS']) {
      await manager.streams.delete(name).catch(() => undefined);
      await manager.streams.add({ name, subjects: [`${name.toLowerCase()}.*.*`] });
    }
  }

  const reconcile = (...args: string[]) =>
    commands.json('outbox', 'reconcile', ...SERVICE, ...SINCE, '--until', '2100-01-01T00:00:00Z', ...args);

  beforeAll(async () => {
    database = await createTestDatabase();
    commands = await CommandLine.start({ DATABASE_URL: database.url });
    const options = dataSourceOptions({ url: database.url, schema: 'orders', migrations: outboxMigrations });
    dataSource = await new DataSource(options).initialize();
    await dataSource.query('CREATE SCHEMA orders');
    await dataSource.runMigrations();
    nc = await connect({ servers: commands.natsUrl });
    manager = await jetstreamManager(nc);
    const observer = { settled: () => undefined, published: () => undefined };
    relay = new OutboxRelay(dataSource, new JetStreamPublisher(JetStreamConnection.over(nc), observer));
  }, 300_000);

  beforeEach(async () => {
    await dataSource.query('TRUNCATE outbox, outbox_pending, outbox_set_aside');
    await loseStreams();
  });

  afterAll(async () => {
    await nc.close();
    await dataSource.destroy();
    await commands.stop();
    await database.drop();
  });

  it('counts what would be published again, and publishes it when told to', async () => {
    await append('orders.created.v1');
    await append('orders.created.v1');
    await append('payments.failed.v1');
    await loseStreams();
    const republish = ['outbox', 'republish', ...SERVICE, ...SINCE, '--stream', 'ORDERS'];
    const events = { 'orders.created.v1': 2 };
    const [counted, unasked] = await Promise.all([
      commands.json(...republish),
      commands.run([...republish, '--send']),
    ]);
    expect(counted).toMatchObject({ code: 0, kind: 'outbox.republish', version: 1 });
    expect(counted.data).toEqual({ events, published: 0, sent: false });
    expect([unasked.code, unasked.stderr]).toEqual([2, expect.stringContaining('Add --yes')]);
    expect(await messages()).toBe(0);
    const sent = await commands.json(...republish, '--send', '--yes');
    expect(sent.data).toEqual({ events, published: 2, sent: true });
    expect([await messages(), await messages('PAYMENTS')]).toEqual([2, 0]);
  });

  it('lists what was set aside and puts one back, or all', async () => {
    await manager.streams.update('ORDERS', { max_msg_size: 1_000 });
    for (let event = 0; event < 3; event++) await append('orders.created.v1', 2_000);
    const { kind, data } = await commands.json('outbox', 'set-aside', ...SERVICE, '--limit', '2');
    const events = data.events as { id: number }[];
    expect(kind).toBe('outbox.set-aside');
    expect(events).toMatchObject([{ code: 'JS_MESSAGE_TOO_LARGE', subject: 'orders.created.v1' }, {}]);
    const id = String(events[0]?.id);
    const one = await commands.json('outbox', 'requeue', id, ...SERVICE);
    expect(one).toMatchObject({ code: 0, kind: 'outbox.requeue', data: { requeued: 1 } });
    expect(await pending()).toBe(1);
    const [again, unasked] = await Promise.all([
      commands.run(['outbox', 'requeue', id, ...SERVICE]),
      commands.run(['outbox', 'requeue', '--all', ...SERVICE]),
    ]);
    expect([again.code, again.stderr]).toEqual([4, expect.stringContaining(`no event ${id} aside`)]);
    expect(unasked.code).toBe(2);
    const all = await commands.json('outbox', 'requeue', '--all', '--yes', ...SERVICE);
    expect(all.data).toEqual({ requeued: 2 });
    expect(await pending()).toBe(3);
  });

  it('ends with 3 when a stream misses something, and with 0 after it was repaired', async () => {
    await append('orders.created.v1');
    expect(await reconcile()).toMatchObject({ code: 0, data: { compared: 1, missing: [] } });
    const lost = await append('orders.confirmed.v1');
    await manager.streams.purge('ORDERS', { filter: 'orders.confirmed.v1' });
    const found = await reconcile();
    expect(found).toMatchObject({ code: 3, kind: 'outbox.reconcile' });
    expect(found.data).toEqual({ compared: 2, missing: [lost], repaired: 0, unknown: 0 });
    expect((await reconcile('--repair', '--yes')).code).toBe(0);
  });

  it('ends with 3 when nothing can be said, because there is no stream', async () => {
    await append('orders.created.v1');
    await manager.streams.delete('ORDERS');
    expect(await reconcile()).toMatchObject({ code: 3, data: { missing: [], unknown: 1 } });
  });

  it.each([
    [['--service', 'nobody'], {}, 2, 'Give one of order-service'],
    [['--service', 'payment-service'], {}, 4, 'payment-service has no outbox'],
    [SERVICE, { DATABASE_URL: 'postgres://postgres@localhost:1/x' }, 1, 'connection refused'],
  ])('%j with %j ends with %i', async (args, env, code, told) => {
    const ended = await commands.run(['outbox', 'set-aside', ...args], env);
    expect([ended.code, ended.stdout, ended.stderr]).toEqual([code, '', expect.stringContaining(told)]);
  });
});
