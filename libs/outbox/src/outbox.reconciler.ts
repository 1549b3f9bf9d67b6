import { Logger, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import type { StreamFindings, StreamIndex } from '@slipstream/jetstream';
import type { DataSource } from 'typeorm';
import type { OutboxPublisher } from './outbox-publishing.js';
import { silentObserver, type OutboxObserver } from './outbox.observer.js';
import { publishAll } from './outbox.repair.js';
import { toRow, type OutboxRow, type RowTuple } from './outbox-rows.js';

const MINUTE_MS = 60_000;
const INTERVAL_MS = MINUTE_MS;
/**
 * A server writes to disk every two minutes unless told otherwise: what a power cut takes from it is gone by then. It is
 * also longer than the duplicate window, within which a stream takes no id again that it has lost.
 */
const SETTLED_AFTER_MS = 5 * MINUTE_MS;
/** How far a process looks back when it starts. */
const LOOK_BACK_MS = 30 * MINUTE_MS;
/** Events that are compared at a time. */
const MAX_EVENTS = 5_000;
/** Messages of a stream that are read to find them. */
const MAX_MESSAGES = 100_000;
/** Clocks of the database and the broker may differ. */
const CLOCK_SKEW_MS = MINUTE_MS;

export interface ReconciliationRequest {
  /** Time of the oldest event to compare. */
  readonly since: Date;
  /** Time before which events are compared. */
  readonly until: Date;
  /** Whether missing events are published again. */
  readonly mustRepair: boolean;
}

export interface ReconciliationReport {
  /** Events that were compared; all of the time asked for unless `next` is given. */
  readonly compared: number;
  /** Message ids that were confirmed once and are not in their stream. */
  readonly missing: readonly string[];
  /** How many of them were published again. */
  readonly repaired: number;
  /** Events of which nothing can be said: too many messages were stored since, or no stream holds their subject. */
  readonly unknown: number;
  /** Time to go on from when there were more events than are compared at a time. */
  readonly next?: Date;
}

interface PublishedRow extends OutboxRow {
  readonly createdAt: Date;
}

/**
 * Compares what was published with what the streams hold, and publishes again what is missing: a broker that lost power,
 * or was put back from a copy, forgets messages that it confirmed. What a stream let go of as it is configured to is not
 * missing. Every minute it looks at what was appended five minutes ago, with as many requests to the broker as there
 * are subjects.
 */
export class OutboxReconciler implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(OutboxReconciler.name);
  private comparedUntil = new Date(Date.now() - LOOK_BACK_MS);
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly dataSource: DataSource,
    private readonly publisher: OutboxPublisher,
    private readonly streams: Pick<StreamIndex, 'search'>,
    private readonly observer: Pick<OutboxObserver, 'missing'> = silentObserver,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => {
      this.running = this.running.then(() => this.continue());
    }, INTERVAL_MS).unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.running;
  }

  /** Compares a bounded number of events, the oldest first. */
  async reconcile(request: ReconciliationRequest): Promise<ReconciliationReport> {
    const rows = await this.readPublished(request);
    const lost: PublishedRow[] = [];
    let unknown = 0;
    for (const [subject, group] of Map.groupBy(rows, (row) => row.subject)) {
      const { missing, unknown: unknownHere } = await this.compare(subject, group);
      lost.push(...missing);
      unknown += unknownHere;
    }
    if (lost.length > 0) await this.report(lost, request.mustRepair);
    const last = rows.length === MAX_EVENTS ? rows.at(-1) : undefined;
    return {
      compared: rows.length,
      missing: lost.map(({ messageId }) => messageId),
      repaired: request.mustRepair ? lost.length : 0,
      unknown,
      ...(last && { next: last.createdAt }),
    };
  }

  /** One process at a time: several would repair the same. */
  private async continue(): Promise<void> {
    try {
      await this.dataSource.transaction(async (tx) => {
        const [{ locked }] = await tx.query(
          `SELECT pg_try_advisory_xact_lock(hashtextextended('outbox-reconciler:' || current_schema(), 0)) AS locked`,
        );
        if (!locked) return;
        const until = new Date(Date.now() - SETTLED_AFTER_MS);
        const { next } = await this.reconcile({ since: this.comparedUntil, until, mustRepair: true });
        this.comparedUntil = next ?? until;
      });
    } catch (error) {
      this.logger.warn({ err: error }, 'outbox and streams could not be compared, trying again in a minute');
    }
  }

  private async readPublished({ since, until }: ReconciliationRequest): Promise<PublishedRow[]> {
    const rows: Record<string, never>[] = await this.dataSource.query(
      `SELECT id, aggregate_id, message_id, subject, headers, data, created_at FROM outbox o
       WHERE created_at >= $1 AND created_at < $2
         AND NOT EXISTS (SELECT FROM outbox_pending p WHERE p.id = o.id)
         AND NOT EXISTS (SELECT FROM outbox_set_aside s WHERE s.id = o.id)
       ORDER BY created_at, id LIMIT ${MAX_EVENTS}`,
      [since, until],
    );
    return rows.map((row) => {
      const { id, aggregate_id, message_id, subject, headers, data, created_at } = row;
      const tuple: RowTuple = [id, aggregate_id, message_id, subject, headers, data] as never;
      return { ...toRow(tuple), createdAt: created_at as unknown as Date };
    });
  }

  private async compare(
    subject: string,
    rows: readonly PublishedRow[],
  ): Promise<{ missing: PublishedRow[]; unknown: number }> {
    const oldest = Math.min(...rows.map(({ createdAt }) => createdAt.getTime()));
    const findings = await this.search(subject, rows, new Date(oldest - CLOCK_SKEW_MS));
    if (!findings?.isComplete) return { missing: [], unknown: findings?.missing.length ?? rows.length };
    const ids = new Set(findings.missing);
    const isDueInStream = ({ createdAt }: PublishedRow) => createdAt > findings.retainedSince;
    return {
      missing: rows.filter((row) => ids.has(row.messageId) && isDueInStream(row)),
      unknown: 0,
    };
  }

  private async search(
    subject: string,
    rows: readonly PublishedRow[],
    since: Date,
  ): Promise<StreamFindings | undefined> {
    const messageIds = rows.map(({ messageId }) => messageId);
    try {
      return await this.streams.search({ subject, messageIds, since, limit: MAX_MESSAGES });
    } catch (error) {
      this.logger.warn({ err: error, subject }, 'the stream of a subject could not be read');
      return undefined;
    }
  }

  private async report(lost: readonly PublishedRow[], mustRepair: boolean): Promise<void> {
    this.observer.missing(lost.length);
    this.logger.error(
      { missing: lost.length, first: lost[0]?.messageId, repaired: mustRepair },
      'events that were confirmed are not in their stream',
    );
    if (mustRepair) await publishAll(this.publisher, lost);
  }
}
