import {
  Injectable,
  Logger,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { Gauge, register } from 'prom-client';
import { UNSETTLED } from './payment-state.js';
import { PaymentsRepository } from './payments.repository.js';

const INTERVAL_MS = 10_000;

/**
 * Counts payments that have not come to their end, and refunds that were declined. They are counted in the table: a process
 * that dies takes no alarm with it, and the figure falls when somebody who gave the money back sets the payment to `refunded`.
 */
@Injectable()
export class PaymentMetrics implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(PaymentMetrics.name);
  private readonly unsettled = gauge(
    'payments_unsettled',
    'Payments that have not come to their end, by state; counted up to 100,000.',
    ['state'],
  );
  private readonly oldest = gauge(
    'payments_unsettled_oldest_age_seconds',
    'Age of the oldest payment that has not come to its end; 0 when there is none.',
  );
  private readonly declined = gauge(
    'payments_refund_declined',
    'Payments of cancelled orders whose refund the provider declined: somebody has to give the money back.',
  );
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
      const unsettled = await this.payments.countUnsettled();
      for (const state of UNSETTLED) this.unsettled.set({ state }, unsettled.get(state)?.count ?? 0);
      const ages = [...unsettled.values()].map(({ oldestAgeSeconds }) => oldestAgeSeconds);
      this.oldest.set(Math.max(0, ...ages));
      this.declined.set(await this.payments.countDeclinedRefunds());
    } catch (err) {
      this.logger.warn({ err }, 'payments could not be counted');
    }
  }
}

/** The registry is that of the process, which may hold more than one application. */
function gauge(name: string, help: string, labelNames: readonly string[] = []): Gauge {
  return (register.getSingleMetric(name) as Gauge | undefined) ?? new Gauge({ name, help, labelNames });
}
