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

/** What is not read at the moment. */
export interface Exclusion {
  /** On their way. */
  readonly ids: readonly number[];
  readonly aggregateIds: readonly string[];
  /** Published, and marked by the statement that reads: one round trip instead of two. */
  readonly published: readonly number[];
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

/** Reads what is to be published and remembers what became of it. */
export class OutboxRows {
  /**
   * The oldest rows that are not published. They are known by name, not by `id > last`: ids become visible out of
   * order, and a late one would be skipped for ever. Of one aggregate, ids are visible in order, because its
   * transactions wait for each other before they draw them.
   */
  async read(session: RelaySession, { ids, aggregateIds, published }: Exclusion): Promise<OutboxRow[]> {
    const rows = await session.query<RowTuple>(
      'read',
      // The statement sees what it deletes.
      `WITH marked AS (DELETE FROM outbox_pending WHERE id = ANY ($3::bigint[]))
       SELECT o.id, o.aggregate_id, o.message_id, o.subject, o.headers, o.data,
         date_part('epoch', o.created_at) * 1000
       FROM (
         SELECT id, created_at, sum(bytes) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) - bytes AS bytes_before
         FROM (
           SELECT id, created_at, bytes FROM outbox_pending
           WHERE NOT id <@ $1::int8multirange
             AND aggregate_id NOT IN (SELECT unnest($2::text[]))
           ORDER BY id LIMIT ${BATCH_SIZE}) AS oldest
         ) AS next
       JOIN outbox o ON o.id = next.id AND o.created_at = next.created_at
       WHERE bytes_before < ${BATCH_BYTES}
       ORDER BY next.id`,
      [multirange([...ids, ...published]), aggregateIds, bigints(published)],
    );
    return rows.map(toRow);
  }

  async markPublished(session: RelaySession, ids: readonly number[]): Promise<void> {
    if (ids.length === 0) return;
    await session.query('mark', 'DELETE FROM outbox_pending WHERE id = ANY ($1::bigint[])', [bigints(ids)]);
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

/** The driver would look through the digits of each number for what to escape. */
function bigints(ids: readonly number[]): string {
  return `{${ids.join()}}`;
}

/** Ids mostly follow each other: a few ranges are searched faster than thousands of ids. */
function multirange(ids: readonly number[]): string {
  const ranges: string[] = [];
  const sorted = ids.toSorted((a, b) => a - b);
  let first = sorted[0];
  for (const [index, id] of sorted.entries()) {
    if (sorted[index + 1] === id + 1) continue;
    ranges.push(`[${first},${id}]`);
    first = sorted[index + 1];
  }
  return `{${ranges.join()}}`;
}

export function toRow([id, aggregateId, messageId, subject, headers, data, at]: RowTuple): OutboxRow {
  return { id: Number(id), aggregateId, messageId, subject, headers, data, appendedAtMs: at };
}
