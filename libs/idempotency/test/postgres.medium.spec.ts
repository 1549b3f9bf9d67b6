import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { PostgresInbox, type MessageIdentity } from '@slipstream/idempotency';
import { uniqueName } from '@slipstream/testing';
import type { PoolClient } from 'pg';
import type { DataSource, EntityManager } from 'typeorm';
import { createInboxDatabase, type InboxDatabase } from './postgres.harness.js';

type Send = (tx: EntityManager, text: string) => Promise<unknown>;

const sendThroughManager: Send = (tx, text) => tx.query(text);
const sendThroughConnection: Send = async ({ queryRunner }, text) => {
  const client = (await queryRunner?.connect()) as PoolClient;
  return client.query(text);
};

describe('inbox in PostgreSQL', () => {
  let database: InboxDatabase;
  let dataSource: DataSource;
  let inbox: PostgresInbox;
  let messageId: string;

  const effects = async () =>
    Number((await dataSource.query('SELECT count(*) FROM effects WHERE id = $1', [messageId]))[0].count);
  const effect = (tx: EntityManager): Promise<void> =>
    tx.query('INSERT INTO effects VALUES ($1)', [messageId]);
  const message = (id: string): MessageIdentity => ({ consumer: 'c', messageId: id });

  beforeAll(async () => {
    database = await createInboxDatabase();
    ({ dataSource } = database);
  });

  beforeEach(() => {
    messageId = uniqueName('m');
    // One that has met no duplicate yet.
    inbox = new PostgresInbox(dataSource);
  });

  afterAll(async () => {
    await database.drop();
  });

  it('runs an effect once however often the message comes', async () => {
    expect(await inbox.once({ consumer: 'c', messageId }, effect)).toBe(true);
    expect(await inbox.once({ consumer: 'c', messageId }, effect)).toBe(false);
    expect(await effects()).toBe(1);
  });

  it('runs an effect once when sixteen processes handle the message at the same time', async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 16 }, () => inbox.once({ consumer: 'c', messageId }, effect)),
    );
    expect(outcomes.filter(Boolean)).toHaveLength(1);
    expect(await effects()).toBe(1);
  });

  it('counts for each consumer apart', async () => {
    await inbox.once({ consumer: 'c1', messageId }, effect);
    expect(await inbox.once({ consumer: 'c2', messageId }, effect)).toBe(true);
    expect(await effects()).toBe(2);
  });

  it('forgets the message when its effect failed, and keeps nothing of the effect', async () => {
    const failing = async (tx: EntityManager) => {
      await effect(tx);
      throw new Error('after the effect');
    };
    await expect(inbox.once({ consumer: 'c', messageId }, failing)).rejects.toThrow('after the effect');
    expect(await effects()).toBe(0);
    expect(await inbox.once({ consumer: 'c', messageId }, effect)).toBe(true);
  });

  it('gives the message to the waiting process when the first one rolls back', async () => {
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    const { promise: claimed, resolve: onClaimed } = Promise.withResolvers<void>();
    const first = inbox.once({ consumer: 'c', messageId }, async () => {
      onClaimed();
      await gate;
      throw new Error('rolled back');
    });
    await claimed;
    const second = inbox.once({ consumer: 'c', messageId }, effect);
    open();
    await expect(first).rejects.toThrow('rolled back');
    expect(await second).toBe(true);
    expect(await effects()).toBe(1);
  });

  it.each([
    ['by the data source', sendThroughManager],
    ['by the connection itself, as the outbox does', sendThroughConnection],
  ])('repeats an effect that met a deadlock in a statement sent %s', async (_, send) => {
    let runs = 0;
    const processed = await inbox.once({ consumer: 'c', messageId }, async (tx) => {
      await effect(tx);
      if (++runs < 3)
        await send(tx, `DO $$ BEGIN RAISE EXCEPTION 'deadlock' USING ERRCODE = '40P01'; END $$`);
    });
    expect({ processed, runs, effects: await effects() }).toEqual({ processed: true, runs: 3, effects: 1 });
  });

  /** How many transactions a process takes for a message. */
  async function transactionsFor(
    process: PostgresInbox,
    told: Partial<MessageIdentity> = {},
  ): Promise<number> {
    const transaction = jest.spyOn(dataSource, 'transaction');
    await process.once({ ...message(messageId), ...told }, effect);
    const { length } = transaction.mock.calls;
    transaction.mockRestore();
    return length;
  }

  it('takes a second transaction for the first duplicate that nothing told of, and none for those that follow it', async () => {
    expect(await transactionsFor(new PostgresInbox(dataSource))).toBe(1);
    const process = new PostgresInbox(dataSource);
    expect(await transactionsFor(process)).toBe(2);
    expect(await transactionsFor(process)).toBe(1);
    expect(await effects()).toBe(1);
  });

  it.each(['isRedelivered', 'isRedrive'])(
    'takes one transaction for a duplicate that %s tells of',
    async (sign) => {
      await inbox.once(message(messageId), effect);
      expect(await transactionsFor(new PostgresInbox(dataSource), { [sign]: true })).toBe(1);
      expect(await effects()).toBe(1);
    },
  );

  it('takes a key that an effect writes twice for a failure of the effect', async () => {
    let runs = 0;
    const process = new PostgresInbox(dataSource);
    const failing = process.once(message(messageId), async (tx) => {
      runs++;
      await tx.query(`DO $$ BEGIN RAISE EXCEPTION 'taken' USING ERRCODE = '23505'; END $$`);
    });
    await expect(failing).rejects.toThrow('taken');
    expect(runs).toBe(1);
    expect(await process.once(message(messageId), effect)).toBe(true);
  });

  it('gives the effect of a batch the ids that are new', async () => {
    const [known, fresh] = [uniqueName('m'), uniqueName('m')];
    await inbox.once(message(known), async () => undefined);
    const given: ReadonlySet<string>[] = [];
    await inbox.onceEach([fresh, known, fresh].map(message), async (_, ids) => void given.push(ids));
    expect(given).toEqual([new Set([fresh])]);
  });
});
