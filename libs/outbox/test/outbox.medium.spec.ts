import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import {
  CreateOutbox1763700000001,
  FIRST_PARAMETER,
  OutboxBacklog,
  OutboxFullError,
  outboxMigrations,
  OutboxPartitions,
  OutboxRelay,
  type OutboxMessage,
  type WriteBeside,
} from '@slipstream/outbox';
import { createTestDatabase } from '@slipstream/testing';
import { DataSource } from 'typeorm';
import { OutboxScene } from './harness.js';

const DAY_MS = 24 * 60 * 60 * 1_000;

describe('the tables of the outbox', () => {
  let scene: OutboxScene;

  beforeEach(async () => {
    scene = await OutboxScene.open();
  });

  afterEach(async () => {
    await scene.close();
  });

  const partitions = () =>
    scene.dataSource.query<{ name: string }[]>(
      `SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'outbox'::regclass ORDER BY 1`,
    );
  const remaining = () =>
    scene.dataSource
      .query<{ message_id: string }[]>('SELECT message_id FROM outbox ORDER BY id')
      .then((rows) => rows.map(({ message_id }) => message_id));
  /** As if it had been appended days ago. */
  const age = async (messageId: string, days: number, status: 'published' | 'pending' = 'published') => {
    const at = new Date(Date.now() - days * DAY_MS);
    const [{ id }] = await scene.dataSource.query(
      `INSERT INTO outbox (aggregate_id, message_id, subject, headers, data, created_at)
       VALUES ('a', $1, 's', '{}', 'x', $2) RETURNING id`,
      [messageId, at],
    );
    if (status === 'pending') {
      await scene.dataSource.query(`INSERT INTO outbox_pending VALUES ($1, $2, 'a', 1)`, [id, at]);
    }
  };

  it('have a partition for today and each of the seven days to come, and one for everything else', async () => {
    expect(await partitions()).toHaveLength(9);
    await new OutboxPartitions(scene.dataSource, 7 * DAY_MS).maintain(Date.now() + 3 * DAY_MS);
    expect(await partitions()).toHaveLength(12);
  });

  it('are made before a process that starts appends anything', async () => {
    const { dataSource } = scene;
    const [{ name }] = await dataSource.query(
      `SELECT 'outbox_' || to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD') AS name`,
    );
    await dataSource.query(`DROP TABLE ${name}`);
    await new OutboxRelay(dataSource, scene.publisher).onModuleInit();
    await age('today', 0);
    expect(await dataSource.query(`SELECT message_id FROM ${name}`)).toEqual([{ message_id: 'today' }]);
  });

  it('keep no process from starting while somebody reads for long', async () => {
    const { dataSource } = scene;
    const { length } = await partitions();
    const [{ name }] = await dataSource.query(
      `SELECT 'outbox_' || to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD') AS name`,
    );
    await dataSource.query(`DROP TABLE ${name}`);
    const relay = new OutboxRelay(dataSource, scene.publisher);
    await dataSource.transaction(async (reader) => {
      await reader.query('SELECT count(*) FROM outbox');
      await relay.onModuleInit();
    });
    expect(await partitions()).toHaveLength(length - 1);
    await relay.onModuleInit();
    expect(await partitions()).toHaveLength(length);
  });

  it('drop the days that need not be kept, and never an event that is not published', async () => {
    const { dataSource } = scene;
    const tidy = new OutboxPartitions(dataSource, 7 * DAY_MS);
    await tidy.maintain(Date.now() - 20 * DAY_MS);
    for (const days of [19, 14, 6]) await age(`${days}`, days);
    await age('waiting', 15, 'pending');
    await tidy.maintain();
    expect((await remaining()).toSorted()).toEqual(['6', 'waiting']);
    await dataSource.query('DELETE FROM outbox_pending');
    await tidy.maintain();
    expect(await remaining()).toEqual(['6']);
  });

  it('keep what was appended today when the clock of the process is days ahead of that of the database', async () => {
    await age('today', 0);
    const before = await partitions();
    const ahead = jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 9 * DAY_MS);
    try {
      expect(await new OutboxPartitions(scene.dataSource, 7 * DAY_MS).maintain()).toEqual([]);
    } finally {
      ahead.mockRestore();
    }
    expect(await remaining()).toEqual(['today']);
    expect(await partitions()).toEqual(before);
  });

  it('clear the rows of days without a partition too', async () => {
    await age('old', 30);
    await age('waiting', 30, 'pending');
    await age('young', 3);
    await new OutboxPartitions(scene.dataSource, 7 * DAY_MS).maintain();
    expect((await remaining()).toSorted()).toEqual(['waiting', 'young']);
  });

  it('take an event and what it is for in one statement', async () => {
    await scene.append(scene.message('m', { aggregateId: 'a', data: Buffer.from('four') }));
    expect(await scene.dataSource.query('SELECT aggregate_id, bytes FROM outbox_pending')).toEqual([
      { aggregate_id: 'a', bytes: 4 },
    ]);
  });

  it('take an event and what is written beside it together or not at all, also without a transaction around', async () => {
    const { dataSource, outbox } = scene;
    await dataSource.query('CREATE TABLE effects (amount int CHECK (amount > 0))');
    const effect = (amount: number): WriteBeside => ({
      name: 'effect',
      terms: `effect AS (INSERT INTO effects SELECT $${FIRST_PARAMETER}::int)`,
      values: [amount],
    });
    await outbox.appendAlone(dataSource, [scene.message('kept')], effect(1));
    await expect(outbox.appendAlone(dataSource, [scene.message('lost')], effect(0))).rejects.toThrow(/check/);
    expect(await remaining()).toEqual(['kept']);
    expect(await dataSource.query('SELECT amount FROM effects')).toEqual([{ amount: 1 }]);
  });

  it('keep every byte and character of events that are taken together', async () => {
    const events: Pick<OutboxMessage, 'headers' | 'data'>[] = [
      { headers: { 'ce-id': 'ünïcode "✓" \\ {}' }, data: Buffer.from([0, 255, 92, 34, 128]) },
      { headers: {}, data: Buffer.alloc(0) },
      { headers: { 'ce-id': '€'.repeat(500) }, data: Buffer.alloc(100_000, 'ab') },
    ];
    await scene.append(...events.map((fields, index) => scene.message(String(index), fields)));
    const rows = await scene.dataSource.query('SELECT headers::jsonb, data FROM outbox ORDER BY id');
    expect(rows).toEqual(events);
  });
});

describe('the migration of an outbox of the former version', () => {
  it('keeps every row, and those not published are published in their order', async () => {
    const scene = await OutboxScene.open();
    const database = await createTestDatabase();
    const open = (migrations: readonly (new () => never)[]) =>
      new DataSource({
        type: 'postgres',
        url: database.url,
        parseInt8: true,
        migrations: [...migrations],
        migrationsRun: true,
      }).initialize();
    const before = await open([CreateOutbox1763700000001 as never]);
    await before.query(`
      INSERT INTO outbox (aggregate_id, message_id, subject, headers, body, published_at)
      SELECT 'a', 'm' || n, '${scene.root}.events', '{"ce-id": "x"}', 'body',
        CASE WHEN n % 2 = 0 THEN now() END FROM generate_series(1, 10) AS n`);
    await before.destroy();
    const after = await open(outboxMigrations as never);
    try {
      expect(await after.query('SELECT count(*)::int AS count FROM outbox')).toEqual([{ count: 10 }]);
      await scene.addStream();
      await after.transaction((tx) => scene.outbox.append(tx, [scene.message('m11', { aggregateId: 'a' })]));
      Object.assign(scene, { dataSource: after });
      expect(await scene.relay().relayBatch()).toBe(6);
      expect(await scene.stored()).toEqual(['m1', 'm3', 'm5', 'm7', 'm9', 'm11']);
      await expect(
        after.query(`INSERT INTO outbox (aggregate_id, message_id, subject, headers, body)
          SELECT * FROM unnest(ARRAY['a'], ARRAY['m'], ARRAY['s'], ARRAY['{}'::jsonb], ARRAY['x'::bytea])`),
      ).rejects.toThrow('"body"');
      await after.undoLastMigration();
      await after.undoLastMigration();
      expect(await after.query('SELECT count(published_at)::int AS published FROM outbox')).toEqual([
        { published: 11 },
      ]);
    } finally {
      await after.destroy();
      await scene.close();
      await database.drop();
    }
  });
});

describe('the backlog', () => {
  let scene: OutboxScene;

  beforeEach(async () => {
    scene = await OutboxScene.open();
  });

  afterEach(async () => {
    await scene.close();
  });

  it('refuses at its bound, counting what was appended since it was measured, and accepts again below it', async () => {
    await scene.addStream();
    const backlog = new OutboxBacklog(scene.dataSource, scene.outbox, 3);
    await scene.append('1', '2');
    await backlog.measure();
    backlog.assertAccepting();
    await scene.append('3');
    expect(() => backlog.assertAccepting()).toThrow(OutboxFullError);
    await backlog.measure();
    expect(() => backlog.assertAccepting()).toThrow('3 events wait');
    await scene.relay().relayBatch();
    await backlog.measure();
    backlog.assertAccepting();
  });

  it('tells how many events wait, for how long, and how many were set aside', async () => {
    await scene.addStream();
    const backlog = new OutboxBacklog(scene.dataSource, scene.outbox);
    expect(await backlog.measure()).toEqual({ pending: 0, oldestAgeSeconds: 0, setAside: 0 });
    await scene.append(scene.message('bad', { subject: 'a..b' }));
    await scene.relay().relayBatch();
    await scene.append('1', '2');
    await scene.dataSource.query(`UPDATE outbox_pending SET created_at = now() - interval '1 hour'`);
    expect(await backlog.measure()).toMatchObject({ pending: 2, setAside: 1 });
    expect(backlog.current().oldestAgeSeconds).toBeGreaterThanOrEqual(3_600);
  });
});
