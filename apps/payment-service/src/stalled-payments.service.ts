import {
  Injectable,
  Logger,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { PaymentsRepository, type UnsettledPayment } from './payments.repository.js';
import { PaymentsService } from './payments.service.js';

const INTERVAL_MS = 60_000;
const BATCH_SIZE = 100;
/** A batch whose calls all time out, two for each payment, is through before its payments count as stalled again. */
const CONCURRENCY = 10;
/** Messages that are still being retried touch their payment more often than that, as a rule. */
const IDLE_SECONDS = 300;

/** Finishes payments whose messages used up their attempts, so that no order stays pending for ever. */
@Injectable()
export class StalledPaymentsService implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(StalledPaymentsService.name);
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;
  private stopped = false;

  constructor(
    private readonly repository: PaymentsRepository,
    private readonly payments: PaymentsService,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => {
      this.running ??= this.run().finally(() => (this.running = undefined));
    }, INTERVAL_MS).unref();
  }

  /** Ends after the payments at hand. Those that were claimed and not begun are stalled again later. */
  async beforeApplicationShutdown(): Promise<void> {
    this.stopped = true;
    clearInterval(this.timer);
    await this.running;
  }

  /** Drives on the payments that have been idle for longest and returns how many there were. */
  async resumeBatch(): Promise<number> {
    const stalled = await this.repository.claimStalled(BATCH_SIZE, IDLE_SECONDS);
    const queue = stalled.values();
    await Promise.all(Array.from({ length: CONCURRENCY }, () => this.work(queue)));
    return stalled.length;
  }

  private async run(): Promise<void> {
    try {
      await this.resumeBatch();
    } catch (err) {
      this.logger.warn({ err }, 'stalled payments could not be read');
    }
  }

  private async work(queue: Iterable<UnsettledPayment>): Promise<void> {
    for (const payment of queue) {
      if (this.stopped) return;
      try {
        await this.payments.resume(payment);
      } catch (err) {
        this.logger.warn({ err, orderId: payment.orderId }, 'a stalled payment stays unsettled');
      }
    }
  }
}
