import { Logger, type BeforeApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import type { Inbox } from '../inbox.js';
import { PostgresInbox } from './postgres-inbox.js';

const INTERVAL_MS = 10 * 60 * 1_000;

/** Keeps the partitions of a `PostgresInbox` in step with the time; other inboxes need nobody. */
export class InboxMaintenance implements OnModuleInit, BeforeApplicationShutdown {
  private readonly logger = new Logger(InboxMaintenance.name);
  private timer: NodeJS.Timeout | undefined;
  private round: Promise<void> = Promise.resolve();

  constructor(private readonly inbox: Inbox<unknown>) {}

  /** The first round comes before the first message: a service that was away long may have no partition for today. */
  async onModuleInit(): Promise<void> {
    const { inbox } = this;
    if (!(inbox instanceof PostgresInbox)) return;
    await this.attempt(inbox);
    // What else a round does can wait, for the end of a backup that holds an old partition for example.
    await inbox.partitions.requireCurrent();
    this.timer = setInterval(() => {
      this.round = this.attempt(inbox);
    }, INTERVAL_MS).unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.round;
  }

  /** Partitions are made more than a week ahead: a round that fails is made up for by the next ones. */
  private async attempt({ partitions }: PostgresInbox): Promise<void> {
    try {
      await partitions.maintain();
    } catch (error) {
      this.logger.warn(
        { err: error },
        'the partitions of the inbox could not be maintained, trying again later',
      );
    }
  }
}
