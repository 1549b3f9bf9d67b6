import { Logger, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import type { StreamFindings, StreamIndex, StreamPosition, StreamSearch } from '@slipstream/jetstream';
import type { DataSource } from 'typeorm';
import { databaseTime } from './database-time.js';
import type { OutboxPublisher } from './outbox-publishing.js';
import { silentObserver, type OutboxObserver } from './outbox.observer.js';
import { publishAll } from './outbox.repair.js';
import { PublishedRows, type EventKey, type EventPage, type EventPosition } from './published-rows.js';
import { Reconciliation } from './reconciliation.js';
import { withSessionLock } from './session-lock.js';

const MINUTE_MS = 60_000;
const INTERVAL_MS = MINUTE_MS;
/** Messages of a stream that are read to find the events of one subject. */
const MAX_MESSAGES = 1_000_000;
/** Clocks of the database and the broker may differ. */
const CLOCK_SKEW_MS = MINUTE_MS;

export interface ReconciliationRequest {
  /** Time of the oldest event to compare. */
  readonly since: Date;
  /** Time before which events are compared. */
  readonly until: Date;
  /** `next` of the report before, to go on from there. */
  readonly after?: EventPosition;
  /** Whether missing events are published again. */
  readonly mustRepair: boolean;
}

export interface ReconciliationReport {
  /** Events that were compared; all of the time asked for unless `next` is given. Not those that still wait. */
  readonly compared: number;
  /** Message ids that were confirmed once and are not in their stream. */
  readonly missing: readonly string[];
  /** How many of them were published again. */
  readonly repaired: number;
  /** Events of which nothing can be said: too many messages were stored since, or no stream holds their subject. */
  readonly unknown: number;
  /** Where to go on when there were more events than are compared at a time. */
  readonly next?: EventPosition;
}

interface Comparison {
  readonly missing: readonly EventKey[];
  readonly unknown: readonly EventKey[];
  /** Found, but stored so late that the broker may still lose them. */
  readonly unsettled: readonly EventKey[];
}

/**
 * Compares what was published with what the streams hold, and publishes again what is missing: a broker that lost power,
 * or was put back from a copy, forgets messages that it confirmed. What a stream let go of as it is configured to is not
 * missing. Every minute it looks at what was appended five minutes ago, and again at what could not be compared before
 * or was published so late that the broker may still lose it.
 */
export class OutboxReconciler implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(OutboxReconciler.name);
  private readonly rows: PublishedRows;
  private readonly progress: Reconciliation;
  /** By subject, how far its stream was read. */
  private readonly places = new Map<string, { readonly after: string; readonly position: StreamPosition }>();
  private timer: NodeJS.Timeout | undefined;
  private round: Promise<void> | undefined;

  constructor(
    private readonly dataSource: DataSource,
    private readonly publisher: OutboxPublisher,
    private readonly streams: Pick<StreamIndex, 'search'>,
    private readonly observer: Pick<OutboxObserver, 'missing'> = silentObserver,
  ) {
    this.rows = new PublishedRows(dataSource);
    this.progress = new Reconciliation(this.rows, (page, settledBefore) => this.repair(page, settledBefore));
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => {
      // Rounds that take longer than the interval must not queue up.
      this.round ??= this.continue().finally(() => (this.round = undefined));
    }, INTERVAL_MS).unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    this.progress.stop();
    await this.round;
  }

  /** Compares a bounded number of events, the oldest first. */
  async reconcile(request: ReconciliationRequest): Promise<ReconciliationReport> {
    const { events, next } = await this.rows.page(request.since, request.until, request.after);
    const published = events.filter(({ isPending }) => !isPending);
    const { missing, unknown } = await this.compare(published);
    if (missing.length > 0) await this.report(missing, request.mustRepair);
    return {
      compared: published.length,
      missing: missing.map(({ messageId }) => messageId),
      repaired: request.mustRepair ? missing.length : 0,
      unknown: unknown.length,
      ...(next && { next }),
    };
  }

  /**
   * Compares what has settled since the last time, unless another process does: several would repair the same.
   * @param now in milliseconds, by the clock that events are dated by, which is the database's @default it is asked
   */
  async continue(now?: number): Promise<void> {
    try {
      await withSessionLock(this.dataSource, 'outbox-reconciler', async () =>
        this.progress.continue(now ?? (await databaseTime(this.dataSource))),
      );
    } catch (error) {
      this.logger.warn({ err: error }, 'outbox and streams could not be compared, trying again in a minute');
    }
  }

  /** @returns events that must be compared again */
  private async repair({ events }: EventPage, settledBefore: Date): Promise<EventKey[]> {
    try {
      const published = events.filter(({ isPending }) => !isPending);
      const { missing, unknown, unsettled } = await this.compare(published, settledBefore);
      if (missing.length > 0) await this.report(missing, true);
      // Those that were missing were stored just now, and the broker may lose them again.
      return [...events.filter(({ isPending }) => isPending), ...unknown, ...unsettled, ...missing];
    } catch (error) {
      this.logger.warn(
        { err: error },
        'missing events could not be published again, trying again in a minute',
      );
      return [...events];
    }
  }

  private async compare(events: readonly EventKey[], settledBefore?: Date): Promise<Comparison> {
    const missing: EventKey[] = [];
    const unknown: EventKey[] = [];
    const unsettled: EventKey[] = [];
    for (const [subject, group] of Map.groupBy(events, (event) => event.subject)) {
      const findings = await this.search(subject, group, settledBefore);
      const late = new Set(findings?.unsettled);
      unsettled.push(...group.filter(({ messageId }) => late.has(messageId)));
      const ids = new Set(findings?.missing ?? group.map(({ messageId }) => messageId));
      const notFound = group.filter(({ messageId }) => ids.has(messageId));
      if (!findings?.isComplete) unknown.push(...notFound);
      else missing.push(...notFound.filter(({ createdAt }) => new Date(createdAt) > findings.retainedSince));
    }
    return { missing, unknown, unsettled };
  }

  /** Goes on where the search for events before these ended; only the whole stream tells that one is missing. */
  private async search(
    subject: string,
    events: readonly EventKey[],
    settledBefore?: Date,
  ): Promise<StreamFindings | undefined> {
    const from = this.positionBefore(subject, events);
    const settled = settledBefore && { settledBefore };
    try {
      const found = from && (await this.look(subject, events, { from, ...settled }));
      const findings = found?.missing.length === 0 ? found : await this.look(subject, events, settled);
      this.note(subject, events, findings);
      return findings;
    } catch (error) {
      this.logger.warn({ err: error, subject }, 'the stream of a subject could not be read');
      return undefined;
    }
  }

  private positionBefore(subject: string, [first]: readonly EventKey[]): StreamPosition | undefined {
    const place = this.places.get(subject);
    return place && first && first.createdAt >= place.after ? place.position : undefined;
  }

  /** Events that are compared again, later than others after them, say nothing about how far the stream was read. */
  private note(subject: string, events: readonly EventKey[], { position }: StreamFindings): void {
    const [first, last] = [events[0], events.at(-1)];
    const known = this.places.get(subject);
    if (!first || !last || (known && first.createdAt < known.after)) return;
    if (position) this.places.set(subject, { after: last.createdAt, position });
    else this.places.delete(subject);
  }

  private look(
    subject: string,
    events: readonly EventKey[],
    rest?: Pick<StreamSearch, 'from' | 'settledBefore'>,
  ): Promise<StreamFindings> {
    const messageIds = events.map(({ messageId }) => messageId);
    const since = new Date(new Date(events[0]?.createdAt ?? 0).getTime() - CLOCK_SKEW_MS);
    return this.streams.search({ subject, messageIds, since, limit: MAX_MESSAGES, ...rest });
  }

  private async report(lost: readonly EventKey[], mustRepair: boolean): Promise<void> {
    this.observer.missing(lost.length);
    this.logger.error(
      { missing: lost.length, first: lost[0]?.messageId, repaired: mustRepair },
      'events that were confirmed are not in their stream',
    );
    if (!mustRepair) return;
    for await (const rows of this.rows.read(lost)) await publishAll(this.publisher, rows);
  }
}
