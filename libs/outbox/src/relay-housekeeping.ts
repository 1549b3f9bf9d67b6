import { Logger } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { OutboxPartitions } from './outbox.partitions.js';

const SECOND_MS = 1_000;
const HOUR_MS = 60 * 60 * SECOND_MS;
const DEFAULT_RETENTION_MS = 7 * 24 * HOUR_MS;
/** Deleted entries that a reader would step over; autovacuum looks once a minute, a busy relay deletes millions in that time. */
const VACUUM_AFTER = 50_000;

/** What the process that relays does beside it: partitions every hour, vacuum of the list of pending events. */
export class RelayHousekeeping {
  private readonly logger = new Logger('Outbox');
  private readonly partitions: OutboxPartitions;
  private readonly lastAt = { yield: -Infinity, partitions: -Infinity };
  private marked = 0;
  private isRunning = false;

  constructor(
    private readonly dataSource: DataSource,
    retentionMs = DEFAULT_RETENTION_MS,
  ) {
    this.partitions = new OutboxPartitions(dataSource, retentionMs);
  }

  /** True at most once a second for `yield` and once an hour for `partitions`. */
  isDue(task: 'yield' | 'partitions'): boolean {
    const now = performance.now();
    if (now - this.lastAt[task] < (task === 'yield' ? SECOND_MS : HOUR_MS)) return false;
    this.lastAt[task] = now;
    return true;
  }

  /** Before anything is appended: what finds no partition for its day goes to the one for all days, and keeps that day there. */
  async prepare(): Promise<void> {
    // A reader may hold the table for longer than writers may queue; a start must not fail by that.
    await this.partitions.create().catch((error: unknown) => this.warn('partitions', error));
  }

  /** Starts what is due, beside the relay and on another connection. */
  keep(marked: number): void {
    this.marked += marked;
    if (this.isRunning) return;
    if (this.isDue('partitions')) this.start('partitions', () => this.partitions.maintain());
    else if (this.marked >= VACUUM_AFTER) {
      this.marked = 0;
      this.start('vacuum', () => this.dataSource.query('VACUUM (TRUNCATE false) outbox_pending'));
    }
  }

  private start(task: string, work: () => Promise<unknown>): void {
    this.isRunning = true;
    work()
      .catch((error: unknown) => this.warn(task, error))
      .finally(() => {
        this.isRunning = false;
      });
  }

  private warn(task: string, error: unknown): void {
    this.logger.warn({ err: error, task }, 'housekeeping of the outbox failed');
  }
}
