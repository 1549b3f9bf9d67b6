import { Logger, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import type { JetStreamPublisher } from '@slipstream/jetstream';
import type { DataSource, EntityManager, EntitySubscriberInterface, TransactionCommitEvent } from 'typeorm';
import { APPENDED } from './outbox.js';

const BATCH_SIZE = 500;
/** Safety net for events of other processes and for wake-ups lost in a crash. */
const POLL_INTERVAL_MS = 500;
const FAILURE_DELAY_MS = 1_000;
const REST_STEP_MS = 100;

export type OutboxPublisher = Pick<JetStreamPublisher, 'publishBatch'>;

interface OutboxRow {
  readonly id: number;
  readonly message_id: string;
  readonly subject: string;
  readonly headers: Record<string, string>;
  readonly body: Buffer;
}

/**
 * Publishes what was appended, in order of ids, by one process at a time. Unpublished rows are found by their mark, not
 * by `id > last`: ids become visible out of order, and a late one would be skipped for ever.
 */
export class OutboxRelay
  implements OnApplicationBootstrap, BeforeApplicationShutdown, EntitySubscriberInterface
{
  private readonly logger = new Logger(OutboxRelay.name);
  private stopped = false;
  private isWoken = false;
  private mustRest = false;
  private wakeSleeper: (() => void) | undefined;
  private loop: Promise<void> | undefined;

  constructor(
    private readonly dataSource: DataSource,
    private readonly publisher: OutboxPublisher,
  ) {}

  onApplicationBootstrap(): void {
    this.dataSource.subscribers.push(this);
    this.loop = this.run();
  }

  /** Stops after the batch at hand. What is left is published by the next process. */
  async beforeApplicationShutdown(): Promise<void> {
    this.stopped = true;
    this.wake();
    await this.loop;
  }

  afterTransactionCommit({ queryRunner }: TransactionCommitEvent): void {
    if ((queryRunner.data as Record<symbol, boolean>)[APPENDED]) this.wake();
  }

  /** Publishes the oldest unpublished rows and returns how many were read. */
  async relayBatch(): Promise<number> {
    return this.dataSource.transaction(async (tx) => {
      if (!(await this.becomeSoleRelay(tx))) return 0;
      const rows = await this.readUnpublished(tx);
      const published = await this.publish(rows);
      await tx.query('UPDATE outbox SET published_at = now() WHERE id = ANY($1::bigint[])', [published]);
      return published.length;
    });
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      try {
        const published = await this.relayBatch();
        if (this.mustRest) await this.rest();
        if (published < BATCH_SIZE) await this.sleep(POLL_INTERVAL_MS);
      } catch (error) {
        this.logger.error({ err: error }, 'the outbox could not be relayed, trying again');
        await this.rest();
      }
    }
  }

  private async becomeSoleRelay(tx: EntityManager): Promise<boolean> {
    const [row] = await tx.query(
      `SELECT pg_try_advisory_xact_lock(hashtextextended('outbox:' || current_schema(), 0)) AS locked`,
    );
    return row.locked;
  }

  private readUnpublished(tx: EntityManager): Promise<OutboxRow[]> {
    return tx.query(
      `SELECT id, message_id, subject, headers, body FROM outbox
       WHERE published_at IS NULL ORDER BY id LIMIT ${BATCH_SIZE}`,
    );
  }

  /** Publishes in order, as an atomic batch where the server has them, and returns the ids the server confirmed. */
  private async publish(rows: readonly OutboxRow[]): Promise<number[]> {
    if (rows.length === 0) return [];
    const { acks } = await this.publisher.publishBatch(
      rows.map(({ message_id, subject, headers, body }) => ({
        messageId: message_id,
        subject,
        headers,
        data: body,
      })),
    );
    const failed = acks.filter((ack) => ack instanceof Error);
    if (failed[0]) {
      this.logger.warn({ err: failed[0], failed: failed.length }, 'events not published yet');
      this.mustRest = true;
    }
    return rows.filter((_, index) => !(acks[index] instanceof Error)).map(({ id }) => id);
  }

  /** Waits after a failure, whatever is appended meanwhile: a broker in trouble must not be asked without pause. */
  private async rest(): Promise<void> {
    this.mustRest = false;
    for (let waited = 0; waited < FAILURE_DELAY_MS && !this.stopped; waited += REST_STEP_MS) {
      await new Promise((resolve) => setTimeout(resolve, REST_STEP_MS));
    }
  }

  private wake(): void {
    this.isWoken = true;
    this.wakeSleeper?.();
  }

  private async sleep(ms: number): Promise<void> {
    if (!this.isWoken) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, ms);
      this.wakeSleeper = resolve;
      await promise;
      clearTimeout(timer);
    }
    this.isWoken = false;
  }
}
