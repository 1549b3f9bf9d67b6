import {
  Injectable,
  Logger,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { GatewayGuard } from './gateway-guard.js';
import type { Payment } from './payment.js';
import { PaymentsRepository } from './payments.repository.js';
import { PaymentsService } from './payments.service.js';

const INTERVAL_MS = 60_000;
const BATCH_SIZE = 200;
/** Messages that are still being retried touch their payment more often than that, as a rule. */
const IDLE_MS = 300_000;

/** Finishes payments that no message brings to their end any more, so that no order stays pending for ever. */
@Injectable()
export class StalledPaymentsService implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(StalledPaymentsService.name);
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();
  private stopped = false;

  constructor(
    private readonly repository: PaymentsRepository,
    private readonly payments: PaymentsService,
    private readonly guard: GatewayGuard,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.resumeAll(IDLE_MS), INTERVAL_MS).unref();
  }

  /** Ends after the payments at hand. */
  async beforeApplicationShutdown(): Promise<void> {
    this.stopped = true;
    clearInterval(this.timer);
    await this.running;
  }

  /** Goes on with every payment that has been idle for so long, a batch at a time, one round after the other. */
  resumeAll(idleMs: number): Promise<void> {
    this.running = this.running.then(() => this.run(idleMs));
    return this.running;
  }

  /** Goes on with the payments that have been idle for longest, and returns how many there were. */
  async resumeBatch(limit: number, idleMs: number): Promise<number> {
    const stalled = await this.repository.claimUnsettled(limit, idleMs);
    await Promise.all(stalled.map((payment) => this.resume(payment)));
    return stalled.length;
  }

  private async run(idleMs: number): Promise<void> {
    const startedAt = performance.now();
    try {
      for (let hasMore = true; hasMore && !this.stopped && this.guard.isClosed;) {
        // A few also while some call was asked to wait: under light but lasting throttling none would ever have its turn.
        const isThrottled = this.guard.isAskedToWait;
        const size = isThrottled ? GatewayGuard.trialCalls : BATCH_SIZE;
        // What this round has touched must not come again in it.
        const claimed = await this.resumeBatch(size, idleMs + performance.now() - startedAt);
        hasMore = claimed === size && !isThrottled;
      }
    } catch (err) {
      this.logger.warn({ err }, 'stalled payments could not be read');
    }
  }

  private async resume(payment: Payment): Promise<void> {
    try {
      await this.payments.resume(payment);
    } catch (err) {
      this.logger.warn({ err, orderId: payment.orderId }, 'a stalled payment stays unsettled');
    }
  }
}
