import { failpoint } from '@slipstream/failpoints';
import type { OutgoingMessage } from '@slipstream/jetstream';
import type { PoolClient } from 'pg';
import type { DataSource, EntityManager } from 'typeorm';
import { tracedHeaders } from './creation-trace.js';

/** An event to publish after the transaction that caused it. */
export interface OutboxMessage extends Required<
  Pick<OutgoingMessage, 'subject' | 'data' | 'messageId' | 'headers'>
> {
  /**
   * What the event is about; events of one aggregate are published in the order they were appended. That holds for
   * transactions that lock or insert the aggregate before they append: others have no order among them.
   */
  readonly aggregateId: string;
}

/** Key under which a query runner remembers how many events its transaction appended. */
export const APPENDED = Symbol('outbox.appended');

/** What else is written by the statement that appends: one round trip less. */
export interface WriteBeside {
  /** Tells this text from others, among letters and digits. */
  readonly name: string;
  /** Terms of a WITH clause, such as `placed AS (INSERT …)`. Their parameters are numbered from `FIRST_PARAMETER` on. */
  readonly terms: string;
  readonly values: readonly unknown[];
}

/** Number of the first parameter of a `WriteBeside`. */
export const FIRST_PARAMETER = 8;

/**
 * Stores events in the transaction of the state change that they tell about, each with the trace it belongs to: that of
 * the request or message by which it came about.
 */
export class Outbox {
  /** Events that this process appended, those of transactions that failed included. */
  appended = 0;

  /**
   * @param beside written in the same statement, in no order with the events: not for what locks an aggregate that other
   * transactions may hold.
   */
  async append(tx: EntityManager, messages: readonly OutboxMessage[], beside?: WriteBeside): Promise<void> {
    const { queryRunner } = tx;
    if (!queryRunner) throw new Error('events are appended in a transaction');
    if (messages.length === 0 && !beside) return;
    const client = (await queryRunner.connect()) as PoolClient;
    // Prepared: planning takes longer than writing a few rows.
    await client.query({
      name: `outbox_append_${beside?.name ?? 'alone'}`,
      text: `WITH ${beside ? `${beside.terms},` : ''} ${APPEND}`,
      values: [...columnsOf(messages), ...(beside?.values ?? [])],
    });
    failpoint('outbox.appended');
    this.appended += messages.length;
    const memory = queryRunner.data as Record<symbol, number | undefined>;
    memory[APPENDED] = (memory[APPENDED] ?? 0) + messages.length;
  }

  /** Appends in a statement that is a transaction of its own, for what needs no other: two round trips less. */
  async appendAlone(
    dataSource: DataSource,
    messages: readonly OutboxMessage[],
    beside?: WriteBeside,
  ): Promise<void> {
    const runner = dataSource.createQueryRunner();
    try {
      await this.append(runner.manager, messages, beside);
      // There is no COMMIT that would tell the relay.
      await runner.broadcaster.broadcast('AfterTransactionCommit');
    } finally {
      await runner.release();
    }
  }
}

const APPEND = `
  appended AS (
    INSERT INTO outbox (aggregate_id, message_id, subject, headers, data)
    SELECT aggregate_id, message_id, subject,
      convert_from(substring($4::bytea FROM at FOR head), 'UTF8'), substring($4 FROM at + head FOR body)
    FROM unnest($1::text[], $2::text[], $3::text[], $5::int[], $6::int[], $7::int[])
      AS message (aggregate_id, message_id, subject, at, head, body)
    RETURNING id, created_at, aggregate_id, octet_length(data) AS bytes)
  INSERT INTO outbox_pending (id, created_at, aggregate_id, bytes)
  SELECT id, created_at, aggregate_id, bytes FROM appended`;

/**
 * Headers and bodies lie one after the other in one value: as elements of arrays the driver would look through each of
 * their characters for what to escape, and send bodies as hexadecimal digits.
 */
function columnsOf(messages: readonly OutboxMessage[]): unknown[] {
  const parts = messages.map((message) => [Buffer.from(tracedHeaders(message)), message.data] as const);
  let end = 1;
  const starts = parts.map(([head, body]) => {
    const start = end;
    end += head.length + body.length;
    return start;
  });
  return [
    messages.map(({ aggregateId }) => aggregateId),
    messages.map(({ messageId }) => messageId),
    messages.map(({ subject }) => subject),
    Buffer.concat(parts.flat()),
    starts,
    parts.map(([head]) => head.length),
    parts.map(([, body]) => body.length),
  ];
}
