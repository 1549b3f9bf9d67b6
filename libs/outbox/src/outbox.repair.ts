import type { DataSource } from 'typeorm';
import { publishRows, type OutboxPublisher } from './outbox-publishing.js';
import { BATCH_SIZE, toRow, type OutboxRow, type RowTuple } from './outbox-rows.js';
import { RelaySession } from './relay-session.js';

const ATTEMPTS = 5;
const RETRY_DELAY_MS = 1_000;
/** What no stream ever confirmed is the relay's business, or the operator's. */
const PUBLISHED = `NOT EXISTS (SELECT FROM outbox_pending p WHERE p.id = o.id)
  AND NOT EXISTS (SELECT FROM outbox_set_aside s WHERE s.id = o.id)`;

export interface RepublishRequest {
  /** Time of the oldest event to publish again; events older than the retention are gone. */
  readonly since: Date;
  /** Which subjects are wanted, such as those of one stream. @default all */
  readonly matches?: (subject: string) => boolean;
  /** Only counts. @default false */
  readonly isDryRun?: boolean;
}

export interface RepublishReport {
  /** Events by subject. */
  readonly events: Readonly<Record<string, number>>;
  /** Events that were stored, or were in the stream still. 0 for a dry run. */
  readonly published: number;
}

/**
 * Publishes events again that were published before, with their ids and in their order, to fill a stream that was lost.
 * Relays stand by while it runs, so that nothing new comes before what is old. What the stream still holds within its
 * duplicate window it does not take again; older events come twice, and inboxes know them.
 * @throws PublishError when the broker refuses an event five times, and what the database failed with when it ended the
 * session; what comes after was not published
 */
export async function republish(
  dataSource: DataSource,
  publisher: OutboxPublisher,
  { since, matches = () => true, isDryRun = false }: RepublishRequest,
): Promise<RepublishReport> {
  const events = await countEvents(dataSource, since, matches);
  const subjects = Object.keys(events);
  if (isDryRun || subjects.length === 0) return { events, published: 0 };
  const session = await RelaySession.open(dataSource);
  try {
    let published = 0;
    let after = 0;
    for (;;) {
      // Nothing becomes published meanwhile, so that ids may be followed here.
      const rows = await session.query<RowTuple>(
        'republish',
        `SELECT o.id, o.aggregate_id, o.message_id, o.subject, o.headers, o.data FROM outbox o
         WHERE o.id > $1 AND o.created_at >= $2 AND o.subject = ANY ($3) AND ${PUBLISHED}
         ORDER BY o.id LIMIT ${BATCH_SIZE}`,
        [after, since, subjects],
      );
      const last = rows.at(-1);
      if (!last) return { events, published };
      // Without the lock relays publish what is new, and what is old would come after it.
      await publishAll(publisher, rows.map(toRow), () => session.check());
      published += rows.length;
      after = Number(last[0]);
    }
  } finally {
    await session.close();
  }
}

/**
 * Makes rows that were set aside wait to be published again, once what was wrong has been put right: a limit of the
 * server, the configuration of a stream. They come after later events of their aggregates, which did not wait.
 * @returns how many of the ids were set aside
 */
export async function requeue(dataSource: DataSource, ids: readonly number[]): Promise<number> {
  const rows: unknown[] = await dataSource.query(
    `WITH back AS (
       DELETE FROM outbox_set_aside WHERE id = ANY ($1::bigint[]) RETURNING id, created_at, aggregate_id, bytes)
     INSERT INTO outbox_pending (id, created_at, aggregate_id, bytes) SELECT * FROM back RETURNING id`,
    [ids],
  );
  await RelaySession.announce(dataSource);
  return rows.length;
}

/** A row that can never be published, as an operator sees it. */
export interface SetAsideEvent {
  readonly id: number;
  readonly messageId: string;
  readonly subject: string;
  readonly aggregateId: string;
  /** Of the error, such as `JS_MESSAGE_TOO_LARGE`. */
  readonly code: string;
  readonly reason: string;
  readonly setAsideAt: Date;
}

/** Rows that were set aside, the oldest first. */
export function listSetAside(dataSource: DataSource, limit = 100): Promise<SetAsideEvent[]> {
  return dataSource.query(
    `SELECT s.id::float8 AS id, o.message_id AS "messageId", o.subject, s.aggregate_id AS "aggregateId", s.code, s.reason,
       s.set_aside_at AS "setAsideAt"
     FROM outbox_set_aside s JOIN outbox o ON o.id = s.id AND o.created_at = s.created_at ORDER BY s.id LIMIT $1`,
    [limit],
  );
}

/**
 * @param check is called before each attempt; when it throws, no more are made
 * @throws PublishError of the first row that is refused again and again
 */
export async function publishAll(
  publisher: OutboxPublisher,
  rows: readonly OutboxRow[],
  check?: () => Promise<void>,
): Promise<void> {
  let left = rows;
  for (let attempt = 1; left.length > 0; attempt++) {
    await check?.();
    const { refused, setAside } = await publishRows(publisher, left);
    const failure = refused[0];
    if (setAside[0]) throw new Error(setAside[0].reason);
    if (!failure) return;
    if (attempt === ATTEMPTS) throw failure.error;
    left = refused.map(({ row }) => row);
    await new Promise((resolve) => setTimeout(resolve, RETRY_DELAY_MS));
  }
}

async function countEvents(
  dataSource: DataSource,
  since: Date,
  matches: (subject: string) => boolean,
): Promise<Record<string, number>> {
  const counted = await dataSource.transaction(async (tx): Promise<{ subject: string; count: number }[]> => {
    // Days of events take longer than a request may.
    await tx.query('SET LOCAL statement_timeout = 0');
    return tx.query(
      `SELECT subject, count(*)::float8 AS count FROM outbox o WHERE created_at >= $1 AND ${PUBLISHED}
       GROUP BY subject ORDER BY subject`,
      [since],
    );
  });
  return Object.fromEntries(
    counted.filter(({ subject }) => matches(subject)).map(({ subject, count }) => [subject, count]),
  );
}
