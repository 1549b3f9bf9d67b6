import type { DataSource } from 'typeorm';
import { BATCH_BYTES, BATCH_SIZE, toRow, type OutboxRow } from './outbox-rows.js';

/** Events that are read at a time, without their bodies. */
const PAGE_SIZE = 10_000;

/** To the microsecond, which a `Date` does not hold. */
const CREATED_AT = `to_char(o.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

/** Place of an event in the order of time. */
export interface EventPosition {
  /** ISO 8601, to the microsecond. */
  readonly createdAt: string;
  readonly id: number;
}

/** What tells an event from others. */
export interface EventKey extends EventPosition {
  readonly messageId: string;
  readonly subject: string;
  /** Of the body. */
  readonly bytes: number;
  /** True while no stream has confirmed it. */
  readonly isPending: boolean;
}

export interface EventPage {
  /** The oldest first. */
  readonly events: readonly EventKey[];
  /** The last one when there may be more. */
  readonly next?: EventPosition;
}

/** Reads what was appended, in the order of time. Events that were set aside are left out. */
export class PublishedRows {
  constructor(private readonly dataSource: DataSource) {}

  /** A bounded number of events of a time, after a position in it. */
  async page(since: Date, until: Date, after?: EventPosition): Promise<EventPage> {
    const events: EventKey[] = await this.dataSource.query(
      `SELECT o.id::float8 AS id, ${CREATED_AT} AS "createdAt", o.message_id AS "messageId", o.subject,
         octet_length(o.data) AS bytes, EXISTS (SELECT FROM outbox_pending p WHERE p.id = o.id) AS "isPending"
       FROM outbox o
       WHERE o.created_at >= $1 AND o.created_at < $2 AND (o.created_at, o.id) > ($3, $4)
         AND NOT EXISTS (SELECT FROM outbox_set_aside s WHERE s.id = o.id)
       ORDER BY o.created_at, o.id LIMIT ${PAGE_SIZE}`,
      [since, until, after?.createdAt ?? '-infinity', after?.id ?? 0],
    );
    const last = events.length === PAGE_SIZE ? events.at(-1) : undefined;
    return { events, ...(last && { next: last }) };
  }

  /** Whole rows, in chunks that fit into memory. */
  async *read(events: readonly EventKey[]): AsyncGenerator<OutboxRow[]> {
    for (const chunk of chunks(events)) {
      const rows: Record<string, never>[] = await this.dataSource.query(
        `SELECT o.id, o.aggregate_id, o.message_id, o.subject, o.headers, o.data
         FROM unnest($1::bigint[], $2::timestamptz[]) AS wanted (id, created_at)
         JOIN outbox o USING (id, created_at) ORDER BY o.id`,
        [chunk.map(({ id }) => id), chunk.map(({ createdAt }) => createdAt)],
      );
      yield rows.map((row) => {
        const { id, aggregate_id, message_id, subject, headers, data } = row;
        return toRow([id, aggregate_id, message_id, subject, headers, data] as never);
      });
    }
  }

  /** Time of the oldest event that no stream has confirmed. */
  async oldestPending(): Promise<Date | undefined> {
    const [{ oldest }] = await this.dataSource.query('SELECT min(created_at) AS oldest FROM outbox_pending');
    return oldest ?? undefined;
  }
}

function* chunks(events: readonly EventKey[]): Generator<EventKey[]> {
  let chunk: EventKey[] = [];
  let bytes = 0;
  for (const event of events) {
    if (chunk.length > 0 && (chunk.length === BATCH_SIZE || bytes + event.bytes > BATCH_BYTES)) {
      yield chunk;
      chunk = [];
      bytes = 0;
    }
    chunk.push(event);
    bytes += event.bytes;
  }
  if (chunk.length > 0) yield chunk;
}
