import type { DataSource, QueryRunner } from 'typeorm';
import { databaseTime } from './database-time.js';

const DAY_MS = 24 * 60 * 60 * 1_000;
/** How far ahead partitions are made: as long may nobody look after them. */
const DAYS_AHEAD = 7;
/** Rows that are deleted in one transaction. */
const PRUNE_BATCH = 10_000;
/** Writers queue behind a lock that is waited for. */
const LOCK_TIMEOUT = '200ms';

type Executor = Pick<QueryRunner, 'query'>;

/** Makes the partitions of the days to come and drops those whose rows need not be kept any longer. */
export class OutboxPartitions {
  constructor(
    private readonly dataSource: DataSource,
    /** Least time that rows are kept, in milliseconds. */
    private readonly retentionMs: number,
  ) {}

  /**
   * Makes the partitions that are missing, unless another process is at it.
   * @param now in milliseconds, by the clock that rows are dated by, which is the database's @default it is asked
   */
  async create(now?: number): Promise<void> {
    await this.alone((tx) => createPartitions(tx, now));
  }

  /**
   * Makes partitions and drops old ones, one process at a time; the others leave it to that one. A partition with a row that
   * is not published is kept, for that row alone.
   * @param at as `now` of `create`: by a clock that is ahead, what was just appended would be dropped
   * @returns names of the dropped partitions
   */
  async maintain(at?: number): Promise<string[]> {
    const now = at ?? (await databaseTime(this.dataSource));
    const keptSince = startOfDay(now - this.retentionMs);
    await this.create(now);
    const dropped = (await this.alone((tx) => dropExpired(tx, keptSince))) ?? [];
    // Apart from the partitions: with many rows it takes long, and what it undoes when it fails is itself alone.
    while ((await this.alone((tx) => prune(tx, keptSince))) === PRUNE_BATCH);
    return dropped;
  }

  /** Runs `work` in a transaction, or not at all when another process is at such work. */
  private alone<T>(work: (tx: Executor) => Promise<T>): Promise<T | undefined> {
    return this.dataSource.transaction(async (tx) => {
      const [{ locked }] = await tx.query(
        `SELECT pg_try_advisory_xact_lock(hashtextextended('outbox-partitions:' || current_schema(), 0)) AS locked`,
      );
      if (!locked) return undefined;
      await tx.query(`SET LOCAL lock_timeout = '${LOCK_TIMEOUT}'`);
      return work(tx);
    });
  }
}

async function dropExpired(tx: Executor, keptSince: Date): Promise<string[]> {
  const dropped: string[] = [];
  for (const { name } of await listPartitions(tx)) {
    const day = dayOf(name);
    const end = new Date(day.getTime() + DAY_MS);
    if (end > keptSince || (await hasUnpublished(tx, day, end))) continue;
    await tx.query(`DROP TABLE ${name}`);
    dropped.push(name);
  }
  return dropped;
}

/**
 * Clears what no partition was made for, and what was published of the days that others keep: when it was published
 * again, inboxes would not know it any more, and its effects would come twice.
 * @returns how many rows were deleted
 */
async function prune(tx: Executor, keptSince: Date): Promise<number> {
  const [{ deleted }] = await tx.query(
    `WITH expired AS (
       SELECT id, created_at FROM outbox AS o WHERE created_at < $1
       AND NOT EXISTS (SELECT FROM outbox_pending p WHERE p.id = o.id)
       AND NOT EXISTS (SELECT FROM outbox_set_aside s WHERE s.id = o.id)
       ORDER BY created_at, id LIMIT ${PRUNE_BATCH}),
     gone AS (
       DELETE FROM outbox AS o USING expired AS e
       WHERE o.created_at < $1 AND o.id = e.id AND o.created_at = e.created_at RETURNING 1)
     SELECT count(*)::int AS deleted FROM gone`,
    [keptSince],
  );
  return deleted;
}

/** Makes partitions for today and the days to come where they are missing. */
export async function createPartitions(executor: Executor, at?: number): Promise<void> {
  const now = at ?? (await databaseTime(executor));
  const existing = new Set((await listPartitions(executor)).map(({ name }) => name));
  for (let ahead = 0; ahead <= DAYS_AHEAD; ahead++) {
    const from = startOfDay(now + ahead * DAY_MS);
    const to = new Date(from.getTime() + DAY_MS);
    const name = nameOf(from);
    // Rows that went to the default partition stay there: moving them would lock out the writers.
    if (existing.has(name) || (await hasDefaultRows(executor, from, to))) continue;
    // Attached, not created in place: that would lock the whole table against writing.
    await executor.query(`CREATE TABLE ${name} (LIKE outbox INCLUDING ALL)`);
    await executor.query(
      `ALTER TABLE outbox ATTACH PARTITION ${name} FOR VALUES FROM ('${from.toISOString()}') TO ('${to.toISOString()}')`,
    );
  }
}

/** Without the default partition. */
function listPartitions(executor: Executor): Promise<{ name: string }[]> {
  return executor.query(
    `SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = 'outbox'::regclass AND c.relname ~ '^outbox_\\d{8}$' ORDER BY 1`,
  );
}

async function hasUnpublished(executor: Executor, from: Date, to: Date): Promise<boolean> {
  const [{ found }] = await executor.query(
    `SELECT EXISTS (SELECT FROM outbox_pending WHERE created_at >= $1 AND created_at < $2)
         OR EXISTS (SELECT FROM outbox_set_aside WHERE created_at >= $1 AND created_at < $2) AS found`,
    [from, to],
  );
  return found;
}

async function hasDefaultRows(executor: Executor, from: Date, to: Date): Promise<boolean> {
  const [{ found }] = await executor.query(
    'SELECT EXISTS (SELECT FROM outbox_default WHERE created_at >= $1 AND created_at < $2) AS found',
    [from, to],
  );
  return found;
}

function startOfDay(time: number): Date {
  return new Date(Math.floor(time / DAY_MS) * DAY_MS);
}

function nameOf(day: Date): string {
  return `outbox_${day.toISOString().slice(0, 10).replaceAll('-', '')}`;
}

function dayOf(name: string): Date {
  const [, year, month, day] = /(\d{4})(\d\d)(\d\d)$/.exec(name) ?? [];
  return new Date(`${year}-${month}-${day}T00:00:00Z`);
}
