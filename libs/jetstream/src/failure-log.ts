import { Logger } from '@nestjs/common';
import type { SettledDelivery, TransportObserver } from './observer.js';

/** Who is told when the application names nobody: without a line a handler would fail unseen. */
export class FailureLog implements TransportObserver {
  private readonly logger = new Logger('JetStream');

  settled(delivery: SettledDelivery): void {
    const { failure, outcome, subject, stream, sequence, consumer, attempt } = delivery;
    if (!failure) return;
    const { errorClass, message, stack } = failure;
    const line = `${subject} (${stream} ${sequence}) for ${consumer}: ${outcome} at attempt ${attempt}, ${errorClass}: ${message}`;
    if (outcome === 'dead-lettered') this.logger.error(line, stack);
    else this.logger.warn(line);
  }

  published(): void {
    // Whoever publishes learns of a failure by the promise.
  }
}
