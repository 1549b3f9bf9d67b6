import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { CreateOutbox1763700000001, Outbox, OutboxRelay, type OutboxMessage } from '@slipstream/outbox';
import type { PublishError } from '@slipstream/jetstream';
import { createTestDatabase, uniqueName, waitFor, type TestDatabase } from '@slipstream/testing';
import { DataSource } from 'typeorm';

type Publisher = ConstructorParameters<typeof OutboxRelay>[1];
type Sent = Parameters<Publisher['publishBatch']>[0][number];
type Publish = (sent: Sent) => Promise<unknown>;

function confirm(publish: Publish) {
  return async (sent: Sent) => {
    try {
      await publish(sent);
      return { stream: 'S', sequence: 1, duplicate: false };
    } catch (error) {
      return error as PublishError;
    }
  };
}

describe('outbox', () => {
  let database: TestDatabase;
  let dataSource: DataSource;
  let published: string[];
  const outbox = new Outbox();

  const message = (messageId = uniqueName('m')): OutboxMessage => ({
    aggregateId: 'order-1',
    messageId,
    subject: 'orders.created.v1',
    headers: { 'ce-id': messageId },
    data: Buffer.from([0, 255, 10]),
  });
  const append = (messageId: string) =>
    dataSource.transaction((tx) => outbox.append(tx, [message(messageId)]));
  /** A relay to a broker that takes messages one by one; what `publish` rejects with was not confirmed. */
  const relayTo = (publish: Publish) =>
    new OutboxRelay(dataSource, {
      publishBatch: async (messages) => ({
        mode: 'singles',
        acks: await Promise.all(messages.map(confirm(publish))),
      }),
    });
  const remember: Publish = (sent) => {
    published.push(sent.messageId ?? '');
    return Promise.resolve();
  };

  beforeAll(async () => {
    database = await createTestDatabase();
    dataSource = await new DataSource({
      type: 'postgres',
      url: database.url,
      parseInt8: true,
      migrations: [CreateOutbox1763700000001],
      migrationsRun: true,
    }).initialize();
  });

  beforeEach(async () => {
    published = [];
    await dataSource.query('TRUNCATE outbox');
  });

  afterAll(async () => {
    await dataSource.destroy();
    await database.drop();
  });

  it('publishes what was committed, with its id, headers and bytes, and nothing that was rolled back', async () => {
    const sent: unknown[] = [];
    const { aggregateId: _, ...wanted } = message('kept');
    await append('kept');
    await expect(
      dataSource.transaction(async (tx) => {
        await outbox.append(tx, [message('lost')]);
        throw new Error('rolled back');
      }),
    ).rejects.toThrow('rolled back');
    await relayTo((outgoing) => {
      sent.push(outgoing);
      return Promise.resolve();
    }).relayBatch();
    expect(sent).toEqual([wanted]);
  });

  it('publishes each row once and in the order of appending', async () => {
    await dataSource.transaction((tx) => outbox.append(tx, ['1', '2', '3'].map(message)));
    const relay = relayTo(remember);
    await relay.relayBatch();
    await relay.relayBatch();
    expect(published).toEqual(['1', '2', '3']);
  });

  it('does not skip a row whose transaction commits after that of a later row', async () => {
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    const { promise: appended, resolve: onAppended } = Promise.withResolvers<void>();
    const slow = dataSource.transaction(async (tx) => {
      await outbox.append(tx, [message('slow')]);
      onAppended();
      await gate;
    });
    await appended;
    await append('fast');
    const relay = relayTo(remember);
    await relay.relayBatch();
    expect(published).toEqual(['fast']);
    open();
    await slow;
    await relay.relayBatch();
    expect(published).toEqual(['fast', 'slow']);
  });

  it('keeps a row the broker did not confirm and publishes its neighbours', async () => {
    await dataSource.transaction((tx) => outbox.append(tx, ['good', 'bad', 'fine'].map(message)));
    const refused = new Set(['bad']);
    const relay = relayTo((sent) =>
      refused.has(sent.messageId ?? '') ? Promise.reject(new Error('no answer')) : remember(sent),
    );
    await relay.relayBatch();
    expect(published).toEqual(['good', 'fine']);
    refused.clear();
    await relay.relayBatch();
    expect(published).toEqual(['good', 'fine', 'bad']);
  });

  it('lets one of several relays publish at a time', async () => {
    await append('once');
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    const { promise: publishing, resolve: onPublishing } = Promise.withResolvers<void>();
    const first = relayTo(async (sent) => {
      onPublishing();
      await gate;
      return remember(sent);
    }).relayBatch();
    await publishing;
    expect(await relayTo(remember).relayBatch()).toBe(0);
    open();
    await first;
    expect(published).toEqual(['once']);
  });

  it('wakes its relay when a transaction that appended commits, long before the next poll', async () => {
    const relay = relayTo(remember);
    relay.onApplicationBootstrap();
    try {
      for (const id of ['first', 'second', 'third', 'fourth', 'fifth']) {
        const startedAt = performance.now();
        await append(id);
        await waitFor(id, () => published.includes(id));
        expect(performance.now() - startedAt).toBeLessThan(450);
      }
    } finally {
      await relay.beforeApplicationShutdown();
    }
  });
});
