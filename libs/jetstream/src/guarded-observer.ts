import { Logger } from '@nestjs/common';
import type { DeadLettered, PublishedMessage, SettledDelivery, TransportObserver } from './observer.js';

/**
 * Logs what an observer throws. What it was told has happened: an ack is sent, a message stored. Taken for a failure of
 * that, it would have messages run or published again.
 */
export class GuardedObserver implements TransportObserver {
  private readonly logger = new Logger(GuardedObserver.name);

  constructor(private readonly observer: TransportObserver) {}

  settled(delivery: SettledDelivery): void {
    try {
      this.observer.settled(delivery);
    } catch (error) {
      this.report(error);
    }
  }

  published(message: PublishedMessage): void {
    try {
      this.observer.published(message);
    } catch (error) {
      this.report(error);
    }
  }

  deadLettered(letter: DeadLettered): void {
    try {
      this.observer.deadLettered?.(letter);
    } catch (error) {
      this.report(error);
    }
  }

  private report(error: unknown): void {
    this.logger.error({ err: error }, 'the observer threw');
  }
}
