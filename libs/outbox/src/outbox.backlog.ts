import { Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { silentObserver, type OutboxObserver } from './outbox.observer.js';
import type { Outbox } from './outbox.js';

const MEASURE_INTERVAL_MS = 1_000;
const RETRY_AFTER_SECONDS = 5;
const DEFAULT_MAX_PENDING = 100_000;
/** An event that waits longer tells of a broker or a stream in trouble. */
const STALLED_AFTER_SECONDS = 60;

/** How far behind the relay is. */
export interface BacklogState {
  /** Events that are not published; counted up to a bit above the bound. */
  readonly pending: number;
  /** Age of the oldest of them, 0 when there is none. */
  readonly oldestAgeSeconds: number;
  /** Events that can never be published and wait for an operator. */
  readonly setAside: number;
}

/** So many events wait to be published that no more may be appended. */
export class OutboxFullError extends Error {
  override readonly name = 'OutboxFullError';
  readonly retryAfterSeconds = RETRY_AFTER_SECONDS;

  constructor(pending: number) {
    super(`${pending} events wait to be published; no more are accepted until there are fewer`);
  }
}

/**
 * Knows how many events wait, at the cost of one query a second: in between, what this process appends is added, so
 * that a burst cannot run far beyond the bound. Each further process adds at most what it appends within a second.
 */
export class OutboxBacklog implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(OutboxBacklog.name);
  private state: BacklogState = { pending: 0, oldestAgeSeconds: 0, setAside: 0 };
  private appendedBefore = 0;
  private timer: NodeJS.Timeout | undefined;
  private alarm = '';

  constructor(
    private readonly dataSource: DataSource,
    private readonly outbox: Pick<Outbox, 'appended'>,
    /** Events that may wait before `assertAccepting` refuses. @default 100_000 */
    private readonly maxPending: number = DEFAULT_MAX_PENDING,
    private readonly observer: Pick<OutboxObserver, 'watch'> = silentObserver,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    this.observer.watch(() => this.current());
    await this.measureRegularly();
  }

  onApplicationShutdown(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  /** @throws OutboxFullError when the bound is reached. Call it before the work that would append. */
  assertAccepting(): void {
    const { pending } = this.current();
    if (pending >= this.maxPending) throw new OutboxFullError(pending);
  }

  /** What is known without asking the database, at most about a second old. */
  current(): BacklogState {
    const appended = this.outbox.appended - this.appendedBefore;
    return { ...this.state, pending: this.state.pending + appended };
  }

  /** For a health check: what is known, and why an operator should look, if so. */
  report(): {
    readonly problems: readonly string[];
    readonly details: BacklogState & { maxPending: number };
  } {
    return { problems: this.problems(), details: { ...this.current(), maxPending: this.maxPending } };
  }

  /** Asks the database. */
  async measure(): Promise<BacklogState> {
    const appendedBefore = this.outbox.appended;
    // Ids are in the order of their age, nearly.
    const [row] = await this.dataSource.query(
      `SELECT
         (SELECT count(*) FROM (SELECT FROM outbox_pending LIMIT $1) AS counted)::int AS pending,
         (SELECT extract(epoch FROM clock_timestamp() - created_at)
          FROM outbox_pending ORDER BY id LIMIT 1)::float AS age,
         (SELECT count(*) FROM outbox_set_aside)::int AS set_aside`,
      [this.maxPending + 1],
    );
    this.appendedBefore = appendedBefore;
    this.state = { pending: row.pending, oldestAgeSeconds: row.age ?? 0, setAside: row.set_aside };
    return this.state;
  }

  private problems(): string[] {
    const { pending, oldestAgeSeconds, setAside } = this.current();
    return [
      ...(setAside > 0 ? ['events were set aside'] : []),
      ...(oldestAgeSeconds > STALLED_AFTER_SECONDS ? ['events wait too long to be published'] : []),
      ...(pending >= this.maxPending ? ['no more events are accepted'] : []),
    ];
  }

  /** One line per change, not one a second. */
  private raiseAlarm(): void {
    const alarm = this.problems().join('; ');
    if (alarm !== '' && alarm !== this.alarm) {
      this.logger.error({ ...this.current(), msg: `the outbox needs a look: ${alarm}` });
    } else if (alarm === '' && this.alarm !== '') this.logger.log('the outbox is well again');
    this.alarm = alarm;
  }

  private async measureRegularly(): Promise<void> {
    const measuring = this.measure().then(() => this.raiseAlarm());
    await measuring.catch((error: unknown) =>
      this.logger.debug({ err: error }, 'the backlog of the outbox could not be measured'),
    );
    this.timer = setTimeout(() => void this.measureRegularly(), MEASURE_INTERVAL_MS).unref();
  }
}
