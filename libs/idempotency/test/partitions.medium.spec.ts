import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import {
  CreateInbox1763700000000,
  inboxMigrations,
  MessageTooOldError,
  PostgresInbox,
} from '@slipstream/idempotency';
import { createTestDatabase, uniqueName, waitFor } from '@slipstream/testing';
import { DataSource, type EntityManager } from 'typeorm';
import { InboxMaintenance } from '../src/postgres/inbox-maintenance.js';
import { createInboxDatabase, type InboxDatabase } from './postgres.harness.js';

const HOUR_MS = 60 * 60 * 1_000;
const DAY_MS = 24 * HOUR_MS;

describe('partitions of the inbox', () => {
  let database: InboxDatabase;
  let dataSource: DataSource;
  /** When the first partition ends and the second begins. */
  let midnight: number;
  let now: number;
  let inbox: PostgresInbox;

  const at = (epochMs: number) => new PostgresInbox(dataSource, { clock: () => new Date(epochMs) });
  const once = (process: PostgresInbox, messageId: string, after?: () => Promise<void>) =>
    process.once({ consumer: 'c', messageId }, async (tx: EntityManager) => {
      await tx.query('INSERT INTO effects VALUES ($1)', [messageId]);
      await after?.();
    });
  const effects = async (messageId: string) =>
    Number((await dataSource.query('SELECT count(*) FROM effects WHERE id = $1', [messageId]))[0].count);
  const partitions = async (): Promise<string[]> => {
    const rows: { name: string }[] = await dataSource.query(
      `SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'inbox'::regclass ORDER BY 1`,
    );
    return rows.map(({ name }) => name);
  };

  beforeEach(async () => {
    database = await createInboxDatabase();
    ({ dataSource } = database);
    const [{ bound }] = await dataSource.query(
      `SELECT substring(pg_get_expr(relpartbound, oid) FROM $$TO \\('([^']+)$$)::timestamptz AS bound
       FROM pg_class WHERE relname = 'inbox_initial'`,
    );
    midnight = (bound as Date).getTime();
    now = midnight - DAY_MS;
    inbox = new PostgresInbox(dataSource, { clock: () => new Date(now) });
    await inbox.partitions.maintain();
  });

  afterEach(() => database.drop());

  it('find a duplicate from either side of the time at which one follows another', async () => {
    const offsets = [-72, -2, -0.9, -0.001, 0, 0.9, 1.1, 72].map((hours) => hours * HOUR_MS);
    for (const [index, first] of offsets.entries()) {
      const messageId = uniqueName('m');
      expect(await once(at(midnight + first), messageId)).toBe(true);
      for (const later of offsets.slice(index)) {
        expect(await once(at(midnight + later), messageId)).toBe(false);
      }
      expect(await effects(messageId)).toBe(1);
    }
  });

  it('give a message to one of sixteen processes that race across midnight', async () => {
    for (let round = 0; round < 10; round++) {
      const messageId = uniqueName('m');
      const processes = Array.from({ length: 16 }, (_, index) => at(midnight + (index - 8) * 3 * 60_000));
      const outcomes = await Promise.all(processes.map((process) => once(process, messageId)));
      expect(outcomes.filter(Boolean)).toHaveLength(1);
      expect(await effects(messageId)).toBe(1);
    }
  });

  it('make a claim after midnight wait for the transaction that claimed before it', async () => {
    const messageId = uniqueName('m');
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    const { promise: claimed, resolve: onClaimed } = Promise.withResolvers<void>();
    const before = once(at(midnight - 60_000), messageId, async () => {
      onClaimed();
      await gate;
    });
    await claimed;
    const after = once(at(midnight + 59 * 60_000), messageId);
    await waitFor('the second claim to wait for the first', async () => {
      const [{ waiting }] = await dataSource.query(
        `SELECT count(*)::int AS waiting FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      );
      return waiting > 0;
    });
    open();
    expect(await Promise.all([before, after])).toEqual([true, false]);
    expect(await effects(messageId)).toBe(1);
  });

  it('race batches in both orders around midnight without a deadlock that anybody sees', async () => {
    const ids = Array.from({ length: 50 }, () => uniqueName('m'));
    const processes = Array.from({ length: 8 }, (_, index) => at(midnight + (index - 4) * 60_000));
    const claims = await Promise.all(
      processes.map((process, index) =>
        process.onceEach(
          (index % 2 ? ids : ids.toReversed()).map((messageId) => ({ consumer: 'c', messageId })),
          async (tx, fresh) => {
            await tx.query('INSERT INTO effects SELECT unnest($1::text[])', [[...fresh]]);
          },
        ),
      ),
    );
    expect(claims.reduce((sum, { size }) => sum + size, 0)).toBe(50);
    const [{ count }] = await dataSource.query('SELECT count(*)::int AS count FROM effects');
    expect(count).toBe(50);
  });

  it('are made anew for a process whose idea of the time the database contradicts', async () => {
    const messageId = uniqueName('m');
    now = midnight - 2 * DAY_MS;
    await once(inbox, uniqueName('warm'));
    now = midnight + 2 * DAY_MS;
    expect(await once(inbox, messageId)).toBe(true);
    expect(await once(at(midnight + 2 * DAY_MS), messageId)).toBe(false);
  });

  it('are kept while the clocks of database and process contradict each other', async () => {
    now = midnight + 30 * DAY_MS;
    const wrong = jest.spyOn(Date, 'now').mockReturnValue(Date.now() - 2 * HOUR_MS);
    await expect(inbox.partitions.maintain()).rejects.toThrow(/clocks .* differ by 7\d\d\d s/);
    expect(await partitions()).toContain('inbox_initial');
    wrong.mockRestore();
    await inbox.partitions.maintain();
    expect(await partitions()).not.toContain('inbox_initial');
  });

  it('are dropped as a whole when their keys are older than the retention, and not a day earlier', async () => {
    const messageId = uniqueName('m');
    now = midnight - HOUR_MS / 2;
    await once(inbox, messageId);
    await once(at(midnight - 2 * HOUR_MS), uniqueName('old'));
    now = midnight + 8 * DAY_MS;
    await inbox.partitions.maintain();
    expect(await partitions()).toContain('inbox_initial');
    expect(await once(inbox, messageId)).toBe(false);

    now = midnight + 8 * DAY_MS + 3 * HOUR_MS;
    await inbox.partitions.maintain();
    expect(await partitions()).not.toContain('inbox_initial');
    const left = await dataSource.query(`SELECT 1 FROM pg_tables WHERE tablename = 'inbox_initial'`);
    expect(left).toEqual([]);
  });

  it('make a claim refuse what they may have forgotten, unless an operator wants it', async () => {
    const process = async (messageId: string, storedAt: number, isRedrive = false) =>
      inbox.once({ consumer: 'c', messageId, timestamp: new Date(storedAt), isRedrive }, async (tx) => {
        await tx.query('INSERT INTO effects VALUES ($1)', [messageId]);
      });
    const [forgotten, late] = [uniqueName('m'), uniqueName('m')];
    const storedAt = now;
    expect(await process(forgotten, storedAt)).toBe(true);
    now = midnight + 8 * DAY_MS + HOUR_MS;
    await inbox.partitions.maintain();
    // Old, but its partition is there: it is a duplicate or it is new.
    expect(await process(forgotten, storedAt)).toBe(false);
    expect(await process(late, storedAt)).toBe(true);
    now += DAY_MS;
    await inbox.partitions.maintain();
    await expect(process(forgotten, storedAt)).rejects.toThrow(MessageTooOldError);
    await expect(process(uniqueName('m'), midnight - 1)).rejects.toThrow('may have been processed');
    expect(await process(uniqueName('m'), midnight)).toBe(true);
    expect(await effects(forgotten)).toBe(1);
    expect(await process(forgotten, storedAt, true)).toBe(true);
  });

  it('exist for the time after one in which nobody was there to make any', async () => {
    now = midnight + 100 * DAY_MS;
    const late = at(now);
    await expect(once(late, uniqueName('m'))).rejects.toThrow('no partition');
    await late.partitions.maintain();
    expect(await once(late, uniqueName('m'))).toBe(true);
  });

  it('are dropped while a transaction of old is open, and nobody who claims meanwhile waits for that', async () => {
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    const { promise: claimed, resolve: onClaimed } = Promise.withResolvers<void>();
    const slow = once(at(midnight + 7 * DAY_MS), uniqueName('slow'), async () => {
      onClaimed();
      await gate;
    });
    await claimed;
    now = midnight + 9 * DAY_MS;
    let isMaintained = false;
    const maintained = inbox.partitions.maintain().then(() => (isMaintained = true));
    await waitFor('the cleaning to wait for the open transaction', async () => {
      const [{ pending }] = await dataSource.query(
        `SELECT count(*)::int AS pending FROM pg_inherits WHERE inhdetachpending`,
      );
      return pending > 0;
    });
    for (let index = 0; index < 20; index++) expect(await once(inbox, uniqueName('m'))).toBe(true);
    expect(isMaintained).toBe(false);
    open();
    await slow;
    // Its lock time-out may have passed; then the next round does it.
    await maintained.catch(() => inbox.partitions.maintain());
    expect(await partitions()).not.toContain('inbox_initial');
  });

  it('are dropped by the next round when the one before was cut off half-way', async () => {
    const runner = dataSource.createQueryRunner();
    await runner.startTransaction();
    await runner.query('SELECT FROM inbox');
    const detaching = dataSource.createQueryRunner();
    await detaching.query('SET statement_timeout = 200');
    await expect(
      detaching.query('ALTER TABLE inbox DETACH PARTITION inbox_initial CONCURRENTLY'),
    ).rejects.toThrow('statement timeout');
    await detaching.query('RESET statement_timeout');
    await detaching.release();
    await runner.rollbackTransaction();
    await runner.release();
    await inbox.partitions.maintain();
    expect(await dataSource.query(`SELECT 1 FROM pg_tables WHERE tablename = 'inbox_initial'`)).toEqual([]);
  });

  it('let a service start while nobody can clean them up', async () => {
    const key = `hashtextextended('inbox:' || 'inbox'::regclass::oid, 0)`;
    const blocker = dataSource.createQueryRunner();
    await blocker.query(`SELECT pg_advisory_lock(${key})`);
    const starting = new PostgresInbox(dataSource);
    const maintenance = new InboxMaintenance(starting);
    await maintenance.onModuleInit();
    expect(await once(starting, uniqueName('m'))).toBe(true);
    await maintenance.beforeApplicationShutdown();
    await blocker.query(`SELECT pg_advisory_unlock(${key})`);
    await blocker.release();
  });

  it('are made once by processes that start together', async () => {
    now = midnight + 20 * DAY_MS;
    await Promise.all(Array.from({ length: 5 }, () => at(now).partitions.maintain()));
    expect(await once(at(now), uniqueName('m'))).toBe(true);
  });
});

describe('the migration of the inbox into partitions', () => {
  it('keeps every row, and processes of the version before find their duplicates', async () => {
    const database = await createTestDatabase();
    const options = { type: 'postgres', url: database.url, migrationsRun: true } as const;
    const before = await new DataSource({ ...options, migrations: [CreateInbox1763700000000] }).initialize();
    await before.query(
      `INSERT INTO inbox SELECT 'c', 'm' || n, now() - n * interval '1 hour' FROM generate_series(1, 1000) AS n`,
    );
    const after = await new DataSource({ ...options, migrations: [...inboxMigrations] }).initialize();
    const inbox = new PostgresInbox(after);
    await inbox.partitions.maintain();

    const [{ count }] = await after.query('SELECT count(*)::int AS count FROM inbox');
    expect(count).toBe(1_000);
    const ids = Array.from({ length: 1_001 }, (_, index) => ({ consumer: 'c', messageId: `m${index + 1}` }));
    expect(await inbox.onceEach(ids, async () => undefined)).toEqual(new Set(['m1001']));
    const inserted = await before.query(
      `INSERT INTO inbox (consumer, message_id) SELECT 'c', 'm' || n FROM generate_series(1, 1002) AS n
       ON CONFLICT DO NOTHING RETURNING message_id`,
    );
    expect(inserted).toEqual([{ message_id: 'm1002' }]);

    await after.undoLastMigration();
    expect(await before.query('SELECT count(*)::int AS count FROM inbox')).toEqual([{ count: 1_002 }]);
    await Promise.all([before.destroy(), after.destroy()]);
    await database.drop();
  });
});
