import {
  Logger,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
  type OnModuleInit,
} from '@nestjs/common';
import { failpoint } from '@slipstream/failpoints';
import type { DataSource, EntitySubscriberInterface, TransactionCommitEvent } from 'typeorm';
import { HeldAggregates } from './held-aggregates.js';
import { BATCH_SIZE, OutboxRows, type IdRange, type OutboxRow } from './outbox-rows.js';
import {
  BatchesUnderway,
  NOTHING,
  publishRows,
  type BatchOutcome,
  type OutboxPublisher,
} from './outbox-publishing.js';
import { silentObserver, type OutboxObserver } from './outbox.observer.js';
import { APPENDED } from './outbox.js';
import { RelayBatch, rangesOf } from './relay-batch.js';
import { RelayHousekeeping } from './relay-housekeeping.js';
import { RelaySession } from './relay-session.js';
import { Sleeper } from './sleeper.js';

/** Safety net for events of other processes and for wake-ups lost in a crash. */
const POLL_INTERVAL_MS = 500;
/** How soon a process notices that the one which relayed is gone. */
const STANDBY_INTERVAL_MS = 1_000;
const FAILURE_DELAY_MS = 1_000;
/** Commits within this time are announced to the relay of another process together. */
const ANNOUNCE_DELAY_MS = 20;
/** So many refusals are no matter of single aggregates: the broker is in trouble. */
const MAX_HELD = 1_000;
/** So that the server always has one to store while others are read, encoded, sent and synced. */
const MOST_UNDERWAY = 4;
/**
 * A batch read longer ago is read again: another relay may have published it meanwhile, and a stream forgets ids after
 * its duplicate window of two minutes.
 */
const STALE_AFTER_MS = 30_000;

export interface OutboxRelayOptions {
  readonly observer?: OutboxObserver;
  /** Replaces how rows are found and marked. */
  readonly rows?: OutboxRows;
  /** Least time that published rows are kept, in milliseconds. @default 7 days */
  readonly retentionMs?: number;
}

const EMPTY = new RelayBatch([], false, Infinity);

/**
 * Publishes what was appended, by one process at a time; the others stand by. While batches are on their way, one
 * statement marks those before and reads the next.
 *
 * The order of an aggregate does not rest on the lock: a relay sends an event only when every earlier one of its
 * aggregate is stored or in the same batch. A relay that lost its lock unnoticed publishes what its successor publishes
 * too, each of them in order, and the stream keeps the first copy of each id.
 */
export class OutboxRelay
  implements OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown, EntitySubscriberInterface
{
  private readonly logger = new Logger(OutboxRelay.name);
  private readonly held = new HeldAggregates();
  private readonly sleeper = new Sleeper();
  private readonly observer: OutboxObserver;
  private readonly rows: OutboxRows;
  private readonly housekeeping: RelayHousekeeping;
  private stopped = false;
  private isLeading = false;
  /** Batches of which nothing was published. */
  private refusedInARow = 0;
  private announcement: NodeJS.Timeout | undefined;
  private loop: Promise<void> | undefined;

  constructor(
    private readonly dataSource: DataSource,
    private readonly publisher: OutboxPublisher,
    { observer = silentObserver, rows = new OutboxRows(), retentionMs }: OutboxRelayOptions = {},
  ) {
    this.observer = observer;
    this.rows = rows;
    this.housekeeping = new RelayHousekeeping(dataSource, retentionMs);
  }

  async onModuleInit(): Promise<void> {
    await this.housekeeping.prepare();
  }

  onApplicationBootstrap(): void {
    this.dataSource.subscribers.push(this);
    this.loop = this.run();
  }

  /** Stops after what is underway. What is left is published by the next process. */
  async beforeApplicationShutdown(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.announcement);
    this.sleeper.wake();
    await this.loop;
  }

  afterTransactionCommit({ queryRunner }: TransactionCommitEvent): void {
    const memory = queryRunner.data as Record<symbol, number | undefined>;
    if (!memory[APPENDED]) return;
    // A query runner may serve another transaction after this one.
    memory[APPENDED] = 0;
    if (this.isLeading) this.sleeper.wake();
    else this.announceSoon();
  }

  /**
   * Publishes the oldest unpublished rows once, unless another process relays.
   * @returns how many were published
   */
  async relayBatch(): Promise<number> {
    const session = await RelaySession.tryOpen(this.dataSource);
    if (!session) return 0;
    try {
      const { rows } = await this.read(session, [], NOTHING);
      const outcome = await publishRows(this.publisher, rows);
      this.take(outcome);
      await this.mark(session, outcome);
      return outcome.published.length;
    } finally {
      await session.close();
    }
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      try {
        const session = await RelaySession.tryOpen(this.dataSource);
        if (session) await this.leadWith(session);
        if (!this.stopped) await this.sleeper.rest(STANDBY_INTERVAL_MS, () => this.stopped);
      } catch (error) {
        this.logger.error({ err: error }, 'the outbox could not be relayed, trying again');
        await this.sleeper.rest(FAILURE_DELAY_MS, () => this.stopped);
      }
    }
  }

  private async leadWith(session: RelaySession): Promise<void> {
    try {
      await session.listen(() => this.sleeper.wake());
      this.held.clear();
      this.isLeading = true;
      await this.lead(session);
    } finally {
      this.isLeading = false;
      await session.close();
    }
  }

  /** Publishes batch after batch until the process stops or somebody else wants the lock. */
  private async lead(session: RelaySession): Promise<void> {
    const underway = new BatchesUnderway(this.publisher);
    let batch = EMPTY;
    let unmarked = NOTHING;
    try {
      while (!this.stopped) {
        if (isStale(batch)) batch = EMPTY;
        const isIdle = underway.count === 0 && batch.isEmpty;
        batch = await this.turn(session, underway, batch, unmarked);
        // A small one waits, so that the next gathers more: a batch costs more than its messages.
        const isNextSent = batch.isOfBacklog && !batch.isEmpty;
        unmarked = await this.land(underway, isNextSent ? MOST_UNDERWAY - 1 : 0);
        if (this.housekeeping.isDue('yield') && (await session.isWanted())) break;
        const isDone = isIdle && batch.isEmpty;
        if (!isDone && unmarked.refused.length === 0) continue;
        // Marked before a pause, not after it.
        await this.mark(session, unmarked);
        await this.pause(unmarked, isDone);
        unmarked = NOTHING;
      }
      await this.mark(session, unmarked);
      while (underway.count > 0) await this.mark(session, await this.land(underway, 0));
    } finally {
      // Before the session is closed, and with it the lock.
      await underway.ended();
    }
  }

  /** Sends a batch and reads the next. */
  private turn(
    session: RelaySession,
    underway: BatchesUnderway,
    batch: RelayBatch,
    unmarked: BatchOutcome,
  ): Promise<RelayBatch> {
    // What comes after a small one is read once that is stored, and by the statement that marks it.
    const isReadNow = batch.isEmpty || batch.isOfBacklog || !isNothing(unmarked);
    // Asked first: PostgreSQL works while the batch is encoded and sent.
    const reading = isReadNow
      ? this.read(session, [...underway.batches, batch], unmarked)
      : Promise.resolve(EMPTY);
    underway.send(batch);
    return reading;
  }

  private async land(underway: BatchesUnderway, most: number): Promise<BatchOutcome> {
    const outcome = await underway.landed(most);
    if (outcome.published.length > 0) failpoint('relay.published');
    this.take(outcome);
    this.housekeeping.keep(outcome.published.length);
    return outcome;
  }

  /** Reads what comes after what is underway, and marks `outcome` on the way. */
  private async read(
    session: RelaySession,
    underway: readonly RelayBatch[],
    outcome: BatchOutcome,
  ): Promise<RelayBatch> {
    if (outcome.setAside.length > 0) await this.rows.setAside(session, outcome.setAside);
    const readAt = performance.now();
    const rows = await this.rows.read(session, {
      ids: underway.flatMap(({ ranges }) => ranges),
      aggregateIds: this.held.current(),
      published: publishedOf(outcome),
    });
    if (outcome.published.length > 0) failpoint('relay.marked');
    if (rows.length > 0) failpoint('relay.selected');
    // In two batches an event could overtake an earlier one of its aggregate; it is read again when that is stored.
    const isBusy = (aggregateId: string) => underway.some((batch) => batch.hasEventOf(aggregateId));
    const free = rows.filter(({ aggregateId }) => !isBusy(aggregateId));
    return new RelayBatch(free, rows.length >= BATCH_SIZE / 2, readAt);
  }

  private take({ published, setAside, refused }: BatchOutcome): void {
    for (const { aggregateId } of [...published, ...setAside]) this.held.release(aggregateId);
    for (const { row } of refused) this.held.hold(row.aggregateId);
    if (published.length > 0) this.observer.published(published.length, delaysOf(published));
    if (refused[0]) {
      this.observer.failed(refused.length);
      this.logger.warn({ err: refused[0].error, failed: refused.length }, 'events not published yet');
    }
    for (const { id, code, reason } of setAside) {
      this.logger.error({ outbox_id: id, code, reason }, 'an event can never be published and was set aside');
    }
    if (published.length > 0) this.refusedInARow = 0;
    else if (refused.length > 0) this.refusedInARow++;
  }

  private async mark(session: RelaySession, outcome: BatchOutcome): Promise<void> {
    // Both at once: a mark that waited for an answer would come after the next read, which would read its rows again.
    await Promise.all([
      this.rows.setAside(session, outcome.setAside),
      this.rows.markPublished(session, publishedOf(outcome)),
    ]);
    if (outcome.published.length > 0) failpoint('relay.marked');
  }

  private async pause({ refused }: BatchOutcome, isDone: boolean): Promise<void> {
    // A broker in trouble must not be asked without pause, whatever is appended meanwhile.
    const isBrokerInTrouble = refused.length > 0 && this.refusedInARow > 1;
    if (isBrokerInTrouble || this.held.current().length > MAX_HELD) {
      await this.sleeper.rest(FAILURE_DELAY_MS, () => this.stopped);
    } else if (isDone) {
      await this.sleeper.sleep(POLL_INTERVAL_MS);
    }
  }

  /** Not within the transaction that appended: notifying takes a lock that all commits of the database share. */
  private announceSoon(): void {
    this.announcement ??= setTimeout(() => {
      this.announcement = undefined;
      RelaySession.announce(this.dataSource).catch((error: unknown) =>
        this.logger.debug({ err: error }, 'the relay was not woken and will poll'),
      );
    }, ANNOUNCE_DELAY_MS);
  }
}

function isNothing({ published, setAside }: BatchOutcome): boolean {
  return published.length + setAside.length === 0;
}

function publishedOf({ published }: BatchOutcome): IdRange[] {
  return rangesOf(published.map(({ id }) => id));
}

function isStale({ readAt }: RelayBatch): boolean {
  return performance.now() - readAt > STALE_AFTER_MS;
}

function delaysOf(published: readonly OutboxRow[]): number[] {
  const now = Date.now();
  return published.map(({ appendedAtMs = now }) => now - appendedAtMs);
}
