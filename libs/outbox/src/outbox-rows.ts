import type { RelaySession } from './relay-session.js';

/**
 * Rows that are read, published and marked together. As many as the server takes in an atomic batch, because each batch
 * costs it a directory and four syncs.
 */
export const BATCH_SIZE = 1_000;
/** Bytes of the bodies of a batch, unless a single one is larger. */
export const BATCH_BYTES = 8 * 1_024 * 1_024;

export interface OutboxRow {
  readonly id: number;
  readonly aggregateId: string;
  readonly messageId: string;
  readonly subject: string;
  /** JSON. */
  readonly headers: string;
  readonly data: Buffer;
  /** When it was appended, in epoch milliseconds by the clock of the database; only what waits knows it. */
  readonly appendedAtMs?: number | undefined;
}

/** Ids from the first to the last of them, both included. */
export type IdRange = readonly [first: number, last: number];

/** What is not read at the moment. */
export interface Exclusion {
  /** On their way. */
  readonly ids: readonly IdRange[];
  readonly aggregateIds: readonly string[];
  /** Published, and marked by the statement that reads: one round trip instead of two. */
  readonly published: readonly IdRange[];
}

/** Why a row can never be published. */
export interface SetAside {
  readonly id: number;
  readonly aggregateId: string;
  readonly code: string;
  readonly reason: string;
}

export type RowTuple = [
  id: string | number,
  aggregateId: string,
  messageId: string,
  subject: string,
  headers: string,
  data: Buffer,
  appendedAtMs?: number,
];

/** `ids` is a multirange: those in it are published. */
function markStatement(ids: string): string {
  return `DELETE FROM outbox_pending USING unnest(${ids}::int8multirange) AS done
    WHERE id >= lower(done) AND id < upper(done)`;
}

/**
 * Looks only between what is left out, and finds bodies by runs of ids that follow each other, of which all are pending:
 * one search for many rows. The statement sees what it deletes.
 *
 * A run knows how many rows it has: without a limit, and the order of the primary key, PostgreSQL expects much of the
 * table, and may go by the index of times instead, through all that was appended since the oldest of its rows.
 */
const READ = `
  WITH marked AS (${markStatement('$3')}),
  oldest AS (
    SELECT pending.id, created_at, bytes
    FROM unnest('{[0,${2n ** 63n - 1n})}'::int8multirange - $1::int8multirange) AS gap
    CROSS JOIN LATERAL (
      SELECT id, created_at, bytes FROM outbox_pending
      WHERE id >= lower(gap) AND id < upper(gap) AND aggregate_id NOT IN (SELECT unnest($2::text[]))
      ORDER BY id LIMIT ${BATCH_SIZE}) AS pending
    ORDER BY id LIMIT ${BATCH_SIZE}),
  numbered AS (
    SELECT id, created_at, id - row_number() OVER by_id AS run,
      sum(bytes) OVER (by_id ROWS UNBOUNDED PRECEDING) - bytes AS bytes_before
    FROM oldest WINDOW by_id AS (ORDER BY id)),
  runs AS (
    SELECT min(id) AS first, max(id) AS last, min(created_at) AS since, max(created_at) AS until, count(*) AS rows
    FROM numbered WHERE bytes_before < ${BATCH_BYTES} GROUP BY run)
  SELECT id, aggregate_id, message_id, subject, headers, data, date_part('epoch', created_at) * 1000
  FROM runs CROSS JOIN LATERAL (
    SELECT * FROM outbox WHERE id BETWEEN first AND last AND created_at BETWEEN since AND until
    ORDER BY id LIMIT rows) AS pending`;

/** Reads what is to be published and remembers what became of it. */
export class OutboxRows {
  /**
   * The oldest rows that are not published. They are known by name, not by `id > last`: ids become visible out of
   * order, and a late one would be skipped for ever. Of one aggregate, ids are visible in order, because its
   * transactions wait for each other before they draw them.
   */
  async read(session: RelaySession, { ids, aggregateIds, published }: Exclusion): Promise<OutboxRow[]> {
    const excluded = multirange([...ids, ...published]);
    const rows = await session.query<RowTuple>('read', READ, [excluded, aggregateIds, multirange(published)]);
    // Each run is in order already, and PostgreSQL would copy all bodies to sort them.
    return rows.map(toRow).toSorted((a, b) => a.id - b.id);
  }

  async markPublished(session: RelaySession, ids: readonly IdRange[]): Promise<void> {
    if (ids.length === 0) return;
    await session.query('mark', markStatement('$1'), [multirange(ids)]);
  }

  async setAside(session: RelaySession, rows: readonly SetAside[]): Promise<void> {
    if (rows.length === 0) return;
    await session.query(
      'set_aside',
      `WITH gone AS (
         DELETE FROM outbox_pending WHERE id = ANY ($1::bigint[]) RETURNING id, created_at, aggregate_id, bytes)
       INSERT INTO outbox_set_aside (id, created_at, aggregate_id, bytes, code, reason)
       SELECT gone.*, why.code, why.reason
       FROM gone JOIN unnest($1::bigint[], $2::text[], $3::text[]) AS why (id, code, reason) USING (id)`,
      [rows.map(({ id }) => id), rows.map(({ code }) => code), rows.map(({ reason }) => reason)],
    );
  }
}

function multirange(ranges: readonly IdRange[]): string {
  return `{${ranges.map(([first, last]) => `[${first},${last}]`).join()}}`;
}

export function toRow([id, aggregateId, messageId, subject, headers, data, at]: RowTuple): OutboxRow {
  return { id: Number(id), aggregateId, messageId, subject, headers, data, appendedAtMs: at };
}
