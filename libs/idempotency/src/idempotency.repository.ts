import type { JetStreamContext } from '@slipstream/jetstream';
import { DataSource, QueryFailedError, type EntityManager } from 'typeorm';

/** What identifies a message to its consumer. */
export type MessageIdentity = Pick<JetStreamContext, 'consumer' | 'messageId'>;

const TRANSACTION_ATTEMPTS = 5;
const SERIALIZATION_FAILURE = '40001';
const DEADLOCK_DETECTED = '40P01';

/**
 * Remembers in the service's own database which messages a consumer has dealt with. The key is written in the
 * transaction of the effect: both are there or neither is.
 */
export class IdempotencyRepository {
  constructor(private readonly dataSource: DataSource) {}

  /**
   * Runs `effect` in a transaction unless the consumer has dealt with the message before.
   * @returns false when the message was a duplicate and nothing was done
   */
  async once(message: MessageIdentity, effect: (tx: EntityManager) => Promise<void>): Promise<boolean> {
    const fresh = await this.onceEach([message], async (tx, ids) => {
      if (ids.size > 0) await effect(tx);
    });
    return fresh.size > 0;
  }

  /**
   * Runs `effect` in one transaction for a batch of one consumer and hands it the ids that are new. Deadlocks and
   * serialization failures are repeated at once; they are not the messages' fault.
   * @returns the ids that were new
   */
  async onceEach(
    messages: readonly MessageIdentity[],
    effect: (tx: EntityManager, fresh: ReadonlySet<string>) => Promise<void>,
  ): Promise<ReadonlySet<string>> {
    const [first] = messages;
    if (!first) return new Set();
    const ids = messages.map(({ messageId }) => messageId);
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.dataSource.transaction(async (tx) => {
          const fresh = await this.claim(tx, first.consumer, ids);
          await effect(tx, fresh);
          return fresh;
        });
      } catch (error) {
        if (attempt === TRANSACTION_ATTEMPTS || !isTransient(error)) throw error;
      }
    }
  }

  /**
   * Records that `consumer` deals with the messages, in one statement, and returns the ids that are new to it.
   * A claim that races another process waits until that one commits (duplicate) or rolls back (ours). Sound only under
   * READ COMMITTED. The ids are written in one order everywhere, or two batches could deadlock.
   */
  async claim(tx: EntityManager, consumer: string, messageIds: readonly string[]): Promise<Set<string>> {
    const rows: { message_id: string }[] = await tx.query(
      `INSERT INTO inbox (consumer, message_id)
       SELECT $1, id FROM unnest($2::text[]) AS id ORDER BY id
       ON CONFLICT DO NOTHING
       RETURNING message_id`,
      [consumer, [...new Set(messageIds)]],
    );
    return new Set(rows.map((row) => row.message_id));
  }
}

function isTransient(error: unknown): boolean {
  if (!(error instanceof QueryFailedError)) return false;
  const { code } = error.driverError as { code?: string };
  return code === SERIALIZATION_FAILURE || code === DEADLOCK_DETECTED;
}
