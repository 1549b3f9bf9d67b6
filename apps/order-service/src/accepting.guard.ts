import { Injectable, type CanActivate } from '@nestjs/common';
import { ProblemException } from '@slipstream/bootstrap';
import { OutboxBacklog, OutboxFullError } from '@slipstream/outbox';

/** Refuses new orders with 503 while too many events wait to be published; what was accepted is not lost. */
@Injectable()
export class AcceptingGuard implements CanActivate {
  constructor(private readonly backlog: OutboxBacklog) {}

  canActivate(): boolean {
    try {
      this.backlog.assertAccepting();
      return true;
    } catch (error) {
      if (!(error instanceof OutboxFullError)) throw error;
      throw new ProblemException(503, {
        detail: 'too many orders wait to be passed on; try again later',
        headers: { 'Retry-After': String(error.retryAfterSeconds) },
      });
    }
  }
}
