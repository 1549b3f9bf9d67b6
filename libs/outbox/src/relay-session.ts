import type { PoolClient, QueryConfig } from 'pg';
import type { DataSource, QueryRunner } from 'typeorm';

const LOCK = `hashtextextended('outbox:' || current_schema(), 0)`;
const CHANNEL = `'outbox_' || md5(current_schema())`;
/** A query that takes longer has lost its server, which nothing else would tell for hours. */
const QUERY_TIMEOUT_MS = 20_000;
/** Longer than any wait for the lock; zero would mean the pool's own time-out. */
const NO_QUERY_TIMEOUT_MS = 2 ** 31 - 1;
/** The server ends a session that is silent for a minute. */
const KEEP_ALIVE_MS = 15_000;

/**
 * The database connection that holds the relay's lock, and on which the relay does all it does: without the lock it
 * cannot read nor mark. The server gives the lock to another process as soon as the connection ends.
 */
export class RelaySession {
  private keepAlive: NodeJS.Timeout | undefined;

  private constructor(
    private readonly runner: QueryRunner,
    private readonly client: PoolClient,
  ) {}

  /** @returns nothing when another process holds the lock */
  static async tryOpen(dataSource: DataSource): Promise<RelaySession | undefined> {
    const runner = dataSource.createQueryRunner();
    try {
      const client = (await runner.connect()) as PoolClient;
      const { rows } = await client.query(withTimeout(`SELECT pg_try_advisory_lock(${LOCK}) AS locked`));
      if (rows[0].locked) return await new RelaySession(runner, client).configured();
    } catch (error) {
      await runner.release();
      throw error;
    }
    await runner.release();
    return undefined;
  }

  /**
   * Waits until the process that holds the lock gives it up, which a relay does for whoever waits. It is kept however
   * long nothing is asked.
   */
  static async open(dataSource: DataSource): Promise<RelaySession> {
    const runner = dataSource.createQueryRunner();
    try {
      const client = (await runner.connect()) as PoolClient;
      await client.query(withTimeout('SET lock_timeout = 0; SET statement_timeout = 0'));
      await client.query(withTimeout(`SELECT pg_advisory_lock(${LOCK})`, NO_QUERY_TIMEOUT_MS));
      return (await new RelaySession(runner, client).configured()).keptAlive();
    } catch (error) {
      await runner.release();
      throw error;
    }
  }

  /** Tells the process that holds the lock, whichever it is, that there is something to publish. */
  static async announce(dataSource: DataSource): Promise<void> {
    await dataSource.query(`SELECT pg_notify(${CHANNEL}, '')`);
  }

  /** @param name of the prepared statement; each text has its own */
  async query<Row extends unknown[]>(name: string, text: string, values: unknown[] = []): Promise<Row[]> {
    const query = { name: `outbox_${name}`, text, values, rowMode: 'array', query_timeout: QUERY_TIMEOUT_MS };
    const { rows } = await this.client.query(query);
    return rows as Row[];
  }

  /** @throws when the session has ended, and the lock with it */
  async check(): Promise<void> {
    await this.query('check', 'SELECT 1');
  }

  /** Calls `listener` when another process announces something. */
  async listen(listener: () => void): Promise<void> {
    const [row] = await this.query<[string]>('channel', `SELECT ${CHANNEL}`);
    this.client.on('notification', listener);
    await this.client.query(withTimeout(`LISTEN ${row?.[0]}`));
  }

  /** True when somebody waits for the lock. */
  async isWanted(): Promise<boolean> {
    const [row] = await this.query<[boolean]>(
      'wanted',
      `SELECT EXISTS (
         SELECT FROM pg_locks mine
         JOIN pg_locks other USING (locktype, database, classid, objid, objsubid)
         WHERE mine.locktype = 'advisory' AND mine.granted AND mine.pid = pg_backend_pid() AND NOT other.granted)`,
    );
    return row?.[0] ?? false;
  }

  /** Ends the connection, and with it the lock and the settings; it is not given back to the pool. */
  async close(): Promise<void> {
    clearInterval(this.keepAlive);
    await this.client.end().catch(() => undefined);
    await this.runner.release();
  }

  /** A process that is suspended or cut off does not keep it: relays would wait for that one. */
  private keptAlive(): this {
    // Whoever works under the lock finds out by itself that it is lost.
    this.keepAlive = setInterval(() => void this.check().catch(() => undefined), KEEP_ALIVE_MS).unref();
    return this;
  }

  private async configured(): Promise<this> {
    // A relay that hangs or was suspended must lose the lock; a live one asks far more often.
    // Statistics lag behind a table that fills and empties: the relay's queries must use the indexes in any case.
    // Planning the read anew for what it leaves out takes ten times as long as reading a few rows. Compiling it, as
    // PostgreSQL does with what seems costly by statistics that lag behind, takes longer still, each time.
    // A mark that a crash forgets is made again, because the stream knows the message's id.
    const settings = `
      SET idle_session_timeout = '60s';
      SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
      SET plan_cache_mode = force_generic_plan; SET jit = off;
      SET synchronous_commit = off`;
    await this.client.query(withTimeout(settings));
    return this;
  }
}

/** The types of the driver do not know the time-out of a single query. */
function withTimeout(text: string, timeoutMs = QUERY_TIMEOUT_MS): QueryConfig {
  return { text, query_timeout: timeoutMs } as QueryConfig;
}
