import type { Key } from '../fingerprint.js';
import type { ClaimPlan } from './claim-plan.js';

export interface ClaimRow {
  /** Null when the row speaks of all messages. */
  readonly message_id: string | null;
  /**
   * `all-fresh`: one row for the whole batch, as nearly always. `unplanned`: the plan does not hold at the time of the
   * database, and nothing was written.
   */
  readonly outcome: 'fresh' | 'duplicate' | 'all-fresh' | 'unplanned';
  /** Of the message that came before, hexadecimal; null when its bytes were not known. */
  readonly fingerprint: string | null;
}

const INPUT = 'unnest($2::text[], $3::bytea[]) AS k (id, fingerprint)';
const PLANNED = '(SELECT at >= $4::timestamptz AND at < $5::timestamptz FROM clock)';
const COMPLETE = '(SELECT is_complete FROM tally)';
const STORED = `SELECT o.message_id, 'duplicate' AS outcome, encode(o.fingerprint, 'hex') AS fingerprint
   FROM unnest($2::text[]) AS k (id) JOIN inbox o ON o.consumer = $1 AND o.message_id = k.id`;

/** Reads what is stored of messages, in whichever partition. */
export const storedQuery = STORED;

export interface Claim {
  readonly consumer: string;
  readonly keys: readonly Key[];
  /** When a key is there already: say so, or fail with a unique violation, which takes half as long if none is. */
  readonly onDuplicate: 'tell' | 'fail';
}

/**
 * One statement that writes the keys which are new and says of the others what is stored, or fails. The keys are written
 * in one order everywhere, or two batches could deadlock. Whether older partitions must be searched, and how many are
 * written to, is known beforehand; the usual claim pays for neither.
 */
export function claimQuery(
  { from, until, instants, searchBefore }: ClaimPlan,
  { consumer, keys, onDuplicate }: Claim,
  now: Date | undefined,
): { readonly text: string; readonly parameters: unknown[] } {
  const mustSearch = searchBefore !== -Infinity;
  const parameters: unknown[] = [
    consumer,
    keys.map(({ messageId }) => messageId),
    byteaArray(keys),
    timestamp(from),
    timestamp(until),
    now ?? null,
  ];
  if (instants) parameters.push(instants.map(timestamp));
  const times = instants ? `unnest($${parameters.length}::timestamptz[]) AS t (at)` : 'clock AS t';
  if (mustSearch) parameters.push(timestamp(searchBefore));
  const isNew = `NOT EXISTS (SELECT FROM earlier e WHERE e.message_id = k.id)`;
  const text = `
    WITH clock AS MATERIALIZED (SELECT coalesce($6::timestamptz, clock_timestamp()) AS at),
    ${mustSearch ? earlierKeys(parameters.length) : ''}
    written AS (
      INSERT INTO inbox (consumer, message_id, processed_at, fingerprint)
      SELECT $1, k.id, t.at, k.fingerprint FROM ${INPUT}, ${times}
      WHERE ${PLANNED} ${mustSearch ? `AND ${isNew}` : ''}
      ORDER BY k.id, t.at
      ${onDuplicate === 'tell' ? 'ON CONFLICT DO NOTHING' : ''}
      RETURNING message_id),
    ${outcome(instants?.length ?? 1)}
    UNION ALL
    SELECT NULL, 'unplanned', NULL WHERE NOT ${PLANNED}`;
  return { text, parameters };
}

function earlierKeys(parameter: number): string {
  return `earlier AS MATERIALIZED (
      SELECT o.message_id FROM unnest($2::text[]) AS k (id)
      JOIN inbox o ON o.consumer = $1 AND o.message_id = k.id AND o.processed_at < $${parameter}::timestamptz),`;
}

/** Rows of the driver cost more than those of the table: one speaks for a batch that is new as a whole. */
function outcome(copies: number): string {
  return `tally AS MATERIALIZED (
      SELECT count(*) = cardinality($2::text[]) * ${copies} AS is_complete FROM written)
    SELECT NULL AS message_id, 'all-fresh' AS outcome, NULL AS fingerprint WHERE ${COMPLETE}
    UNION ALL
    ${freshKeys(copies)}
    UNION ALL
    ${STORED} WHERE NOT ${COMPLETE}`;
}

/** A key that is to be written into several partitions is new only if it was new to all of them. */
function freshKeys(copies: number): string {
  const fresh = `SELECT message_id, 'fresh', NULL FROM written WHERE NOT ${COMPLETE}`;
  return copies === 1 ? fresh : `${fresh} GROUP BY message_id HAVING count(*) = ${copies}`;
}

function timestamp(epochMs: number): string {
  return epochMs === -Infinity ? '-infinity' : new Date(epochMs).toISOString();
}

/** As PostgreSQL reads it: the driver would look through each of the hexadecimal digits for what to escape. */
function byteaArray(keys: readonly Key[]): string {
  const elements = keys.map(({ fingerprint }) =>
    fingerprint === undefined ? 'NULL' : `"\\\\x${fingerprint}"`,
  );
  return `{${elements.join(',')}}`;
}
