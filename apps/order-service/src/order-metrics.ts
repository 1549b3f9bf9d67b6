import {
  Injectable,
  Logger,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { Gauge, Histogram, register } from 'prom-client';
import { OrdersRepository, WAITING_FOR, type OrderState } from './orders.repository.js';

const INTERVAL_MS = 5_000;
/** Up to the default of ORDER_TIMEOUT. */
const BUCKETS_SECONDS = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800];

/** How long orders took, and where those are that have not come to their end. */
@Injectable()
export class OrderMetrics implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(OrderMetrics.name);
  private readonly duration = settlementDuration();
  private readonly pending = gauge(
    'orders_pending',
    'Orders that are neither confirmed nor cancelled, by what they wait for; counted up to 100,000.',
    ['waiting_for'],
  );
  private readonly oldest = gauge(
    'orders_pending_oldest_age_seconds',
    'Age of the oldest order that is neither confirmed nor cancelled; 0 when there is none.',
  );
  private timer: NodeJS.Timeout | undefined;
  private counting: Promise<void> = Promise.resolve();

  constructor(private readonly orders: OrdersRepository) {}

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

  /** Orders whose end was committed. */
  settled(orders: readonly OrderState[]): void {
    for (const { status, ageSeconds } of orders) this.duration.observe({ status }, ageSeconds);
  }

  /** A scrape is answered from memory; it must not wait for the database. */
  async count(): Promise<void> {
    try {
      const found = await this.orders.countPending();
      for (const waitingFor of WAITING_FOR) {
        const count = found.find((group) => group.waitingFor === waitingFor)?.count ?? 0;
        this.pending.set({ waiting_for: waitingFor }, count);
      }
      this.oldest.set(Math.max(0, ...found.map(({ oldestAgeSeconds }) => oldestAgeSeconds)));
    } catch (err) {
      this.logger.warn({ err }, 'pending orders could not be counted');
    }
  }
}

/** The registry is that of the process, which may hold more than one application. */
function settlementDuration(): Histogram<'status'> {
  const name = 'order_settlement_duration_seconds';
  const known = register.getSingleMetric(name) as Histogram<'status'> | undefined;
  const help = 'Time from when an order was noted until it was confirmed or cancelled.';
  return known ?? new Histogram({ name, help, labelNames: ['status'], buckets: BUCKETS_SECONDS });
}

function gauge(name: string, help: string, labelNames: readonly string[] = []): Gauge {
  return (register.getSingleMetric(name) as Gauge | undefined) ?? new Gauge({ name, help, labelNames });
}
