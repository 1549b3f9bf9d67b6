import type { DataSource, EntityManager, QueryRunner } from 'typeorm';
import { OVERLAP_MS, planAt, type ClaimPlan, type Partition } from './claim-plan.js';

const DAY_MS = 24 * 60 * 60 * 1_000;
/** A lock that is not had by then is tried for at the next round: whoever queued behind it must not be kept. */
const LOCK_TIMEOUT = '2s';

/** With a larger one, one of the two clocks is wrong. */
const MAX_CLOCK_OFFSET_MS = 60 * 60 * 1_000;

export interface InboxPartitionsOptions {
  /**
   * Milliseconds a key is kept at least, a day or more. Not below the longest `max_age` of the streams that are consumed,
   * with a margin.
   * @default 8 days
   */
  readonly retentionMs?: number;
  /** @default the clock of the database */
  readonly clock?: () => Date;
}

type Queryable = Pick<EntityManager, 'query'>;

/**
 * The tables an inbox consists of. Each holds the keys of a stretch of time as long as the retention; when it is over for
 * that long, the table is dropped as a whole.
 */
export class InboxPartitions {
  readonly clock: (() => Date) | undefined;
  private readonly retentionMs: number;
  private partitions: readonly Partition[] = [];
  private plan: ClaimPlan | undefined;
  private clockOffsetMs = 0;

  constructor(
    private readonly dataSource: DataSource,
    { retentionMs = 8 * DAY_MS, clock }: InboxPartitionsOptions = {},
  ) {
    if (!(retentionMs >= DAY_MS)) {
      throw new RangeError(`retentionMs is ${retentionMs}; it must be a day at least`);
    }
    this.retentionMs = retentionMs;
    this.clock = clock;
  }

  /**
   * What holds now, as far as this process knows; the claim itself compares it with the database's clock.
   * @param tx reads the partitions through the connection at hand: waiting for another one could be in vain
   */
  async current(tx: Queryable): Promise<ClaimPlan> {
    const now = this.now();
    if (this.plan && this.plan.from <= now && now < this.plan.until) return this.plan;
    return this.reload(tx);
  }

  async reload(tx: Queryable): Promise<ClaimPlan> {
    const [row] = await tx.query(`SELECT ${epochMs('clock_timestamp()')} AS now`);
    this.clockOffsetMs = row.now - Date.now();
    this.partitions = await readPartitions(tx);
    this.plan = planAt(this.now(), this.partitions);
    if (!this.plan) throw new Error(`the inbox has no partition for ${new Date(this.now()).toISOString()}`);
    return this.plan;
  }

  /** True when the keys of a time, in epoch milliseconds, need not be there any more. */
  isExpired(time: number): boolean {
    return time < this.now() - this.retentionMs;
  }

  /** Time before which keys are forgotten; undefined while none was. */
  async keptSince(tx: Queryable = this.dataSource.manager): Promise<Date | undefined> {
    const [oldest] = await readPartitions(tx);
    return oldest && oldest.from !== -Infinity ? new Date(oldest.from) : undefined;
  }

  /** @throws when no partition takes what is claimed now */
  async requireCurrent(): Promise<void> {
    await this.reload(this.dataSource.manager);
  }

  /**
   * Creates the partition after the current one and drops those whose keys nobody may need any more. No statement waits
   * for claims in a way that makes others wait. One process at a time does it.
   */
  async maintain(): Promise<void> {
    const runner = this.dataSource.createQueryRunner();
    try {
      await runner.query(`SET lock_timeout = '${LOCK_TIMEOUT}'`);
      // Learns the database's time; that no partition may be there for it is what comes next.
      await this.reload(runner.manager).catch(() => undefined);
      await alone(runner, () => this.extend(runner));
      await alone(runner, () => this.dropExpired(runner));
    } finally {
      await runner.query('RESET lock_timeout').catch(() => undefined);
      await runner.release();
    }
  }

  /** The next stretch must be there before the overlap with it begins. */
  private async extend(runner: QueryRunner): Promise<void> {
    for (;;) {
      const last = (await readPartitions(runner.manager)).at(-1);
      const now = this.now();
      if (!last) throw new Error('the inbox has no partitions; has its migration run?');
      if (last.to >= now + this.retentionMs) return;
      // One long partition covers the time in which nobody was here to create any.
      await this.create(runner, last.to, Math.max(last.to, now) + this.retentionMs);
    }
  }

  /** Attached, not created in place: that would lock out the writers. */
  private async create(runner: QueryRunner, from: number, to: number): Promise<void> {
    const table = `inbox_${new Date(from).toISOString().replaceAll(/[-:T]|\.\d+Z/g, '')}`;
    await runner.startTransaction();
    try {
      await runner.query(`CREATE TABLE ${table} (LIKE inbox INCLUDING DEFAULTS INCLUDING CONSTRAINTS)`);
      await runner.query(`ALTER TABLE ${table} ADD PRIMARY KEY (consumer, message_id)`);
      await runner.query(
        `ALTER TABLE inbox ATTACH PARTITION ${table}
         FOR VALUES FROM ('${new Date(from).toISOString()}') TO ('${new Date(to).toISOString()}')`,
      );
      await runner.commitTransaction();
    } catch (error) {
      await runner.rollbackTransaction();
      throw error;
    }
  }

  private async dropExpired(runner: QueryRunner): Promise<void> {
    await finishDetaching(runner);
    // A database that wakes up years ahead would forget everything, and have everything happen twice.
    if (Math.abs(this.clockOffsetMs) > MAX_CLOCK_OFFSET_MS) {
      throw new Error(
        `the clocks of database and process differ by ${Math.round(this.clockOffsetMs / 1_000)} s; no keys are dropped`,
      );
    }
    const expiry = this.now() - this.retentionMs - 2 * OVERLAP_MS;
    for (const { table, to } of await readPartitions(runner.manager)) {
      if (to > expiry) break;
      // Waits for the transactions that know the partition, and lets all others work meanwhile.
      await runner.query(`ALTER TABLE inbox DETACH PARTITION "${table}" CONCURRENTLY`);
      await runner.query(`DROP TABLE "${table}"`);
    }
  }

  private now(): number {
    return this.clock ? this.clock().getTime() : Date.now() + this.clockOffsetMs;
  }
}

/** What a process that died between detaching and dropping left behind. */
async function finishDetaching(runner: QueryRunner): Promise<void> {
  const pending: { table: string }[] = await runner.query(
    `SELECT c.relname AS "table" FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = 'inbox'::regclass AND i.inhdetachpending`,
  );
  for (const { table } of pending)
    await runner.query(`ALTER TABLE inbox DETACH PARTITION "${table}" FINALIZE`);
  const detached: { table: string }[] = await runner.query(
    `SELECT relname AS "table" FROM pg_class
     WHERE relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'inbox'::regclass)
       AND relkind = 'r' AND NOT relispartition AND relname ~ '^inbox_(initial|\\d{14})$'`,
  );
  for (const { table } of detached) await runner.query(`DROP TABLE "${table}"`);
}

/** Runs `work` unless another process is at it for this inbox. */
async function alone(runner: QueryRunner, work: () => Promise<void>): Promise<void> {
  const key = `hashtextextended('inbox:' || 'inbox'::regclass::oid, 0)`;
  await runner.query(`SELECT pg_advisory_lock(${key})`);
  try {
    await work();
  } finally {
    await runner.query(`SELECT pg_advisory_unlock(${key})`);
  }
}

async function readPartitions(tx: Queryable): Promise<Partition[]> {
  const rows: { table: string; from: number | null; to: number }[] = await tx.query(`
    SELECT "table", ${epochMs(bound('FROM'))} AS "from", ${epochMs(bound('TO'))} AS "to"
    FROM (SELECT c.relname AS "table", pg_get_expr(c.relpartbound, c.oid) AS bounds
          FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
          WHERE i.inhparent = 'inbox'::regclass AND NOT i.inhdetachpending) AS p
    ORDER BY "to"`);
  return rows.map(({ table, from, to }) => ({
    table,
    from: from ?? -Infinity,
    to,
  }));
}

/** One end of a partition as a time; NULL when it is open. */
function bound(end: 'FROM' | 'TO'): string {
  return `(regexp_match(bounds, '${end} \\(''([^'']+)''\\)'))[1]::timestamptz`;
}

function epochMs(time: string): string {
  return `floor(extract(epoch FROM ${time}) * 1000)::float8`;
}
