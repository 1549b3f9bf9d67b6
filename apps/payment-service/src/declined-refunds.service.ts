import {
  Injectable,
  Logger,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { Gauge, register } from 'prom-client';
import { PaymentsRepository } from './payments.repository.js';

const INTERVAL_MS = 30_000;
const NAME = 'payments_refund_declined';
const HELP =
  'Payments of cancelled orders whose refund the provider declined: somebody has to give the money back.';

/**
 * Counts refunds that were declined, for an alert. They are counted in the table: a process that dies takes no alarm with
 * it, and the figure falls when somebody who gave the money back sets the payment to `refunded`.
 */
@Injectable()
export class DeclinedRefundsService implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(DeclinedRefundsService.name);
  private readonly gauge =
    (register.getSingleMetric(NAME) as Gauge | undefined) ?? new Gauge({ name: NAME, help: HELP });
  private timer: NodeJS.Timeout | undefined;
  private counting: Promise<void> = Promise.resolve();

  constructor(private readonly payments: PaymentsRepository) {}

  onApplicationBootstrap(): void {
    const count = () => {
      this.counting = this.count();
    };
    count();
    this.timer = setInterval(count, INTERVAL_MS).unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.counting;
  }

  /** A scrape is answered from memory; it must not wait for the database. */
  async count(): Promise<void> {
    try {
      this.gauge.set(await this.payments.countDeclinedRefunds());
    } catch (err) {
      this.logger.warn({ err }, 'declined refunds could not be counted');
    }
  }
}
