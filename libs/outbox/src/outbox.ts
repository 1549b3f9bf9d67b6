import type { OutgoingMessage } from '@slipstream/jetstream';
import type { EntityManager } from 'typeorm';

/** An event to publish after the transaction that caused it. */
export interface OutboxMessage extends Required<
  Pick<OutgoingMessage, 'subject' | 'data' | 'messageId' | 'headers'>
> {
  /** What the event is about; events of one aggregate are published in the order they were appended. */
  readonly aggregateId: string;
}

/** Key under which a query runner remembers that its transaction appended to the outbox. */
export const APPENDED = Symbol('outbox.appended');

/** Stores events in the transaction of the state change that they tell about. */
export class Outbox {
  async append(tx: EntityManager, messages: readonly OutboxMessage[]): Promise<void> {
    if (messages.length === 0) return;
    await tx.query(
      `INSERT INTO outbox (aggregate_id, message_id, subject, headers, body)
       SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::jsonb[], $5::bytea[])`,
      [
        messages.map(({ aggregateId }) => aggregateId),
        messages.map(({ messageId }) => messageId),
        messages.map(({ subject }) => subject),
        messages.map(({ headers }) => JSON.stringify(headers)),
        messages.map(({ data }) => Buffer.from(data)),
      ],
    );
    if (tx.queryRunner) (tx.queryRunner.data as Record<symbol, boolean>)[APPENDED] = true;
  }
}
