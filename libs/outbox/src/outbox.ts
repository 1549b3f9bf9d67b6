import { failpoint } from '@slipstream/failpoints';
import type { OutgoingMessage } from '@slipstream/jetstream';
import type { EntityManager } from 'typeorm';

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

/** Stores events in the transaction of the state change that they tell about. */
export class Outbox {
  /** Events that this process appended, those of transactions that failed included. */
  appended = 0;

  async append(tx: EntityManager, messages: readonly OutboxMessage[]): Promise<void> {
    if (messages.length === 0) return;
    await tx.query(
      `WITH appended AS (
         INSERT INTO outbox (aggregate_id, message_id, subject, headers, data)
         SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[])
         RETURNING id, created_at, aggregate_id, octet_length(data) AS bytes)
       INSERT INTO outbox_pending (id, created_at, aggregate_id, bytes)
       SELECT id, created_at, aggregate_id, bytes FROM appended`,
      [
        messages.map(({ aggregateId }) => aggregateId),
        messages.map(({ messageId }) => messageId),
        messages.map(({ subject }) => subject),
        messages.map(({ headers }) => JSON.stringify(headers)),
        messages.map(({ data }) => Buffer.from(data)),
      ],
    );
    failpoint('outbox.appended');
    this.appended += messages.length;
    if (!tx.queryRunner) return;
    const memory = tx.queryRunner.data as Record<symbol, number | undefined>;
    memory[APPENDED] = (memory[APPENDED] ?? 0) + messages.length;
  }
}
