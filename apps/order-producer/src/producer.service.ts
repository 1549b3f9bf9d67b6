import {
  Inject,
  Injectable,
  Logger,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { CONFIG, type Config } from './config.js';
import { OrderClient } from './order-client.js';
import { OrderSender } from './order-sender.js';
import { Pacer } from './pacer.js';
import { createRandomOrder } from './random-order.js';

const TICK_MS = 10;

/** Orders on their way at once, pauses between attempts included. Beyond it, orders are skipped, never queued. */
const MAX_IN_FLIGHT = 1_000;

export interface ProducerStats {
  /** Orders that were sent, however often each was tried. */
  readonly requested: number;
  readonly accepted: number;
  /** Orders that were refused or given up. */
  readonly failed: number;
  /** Orders that were due while too many were on their way. */
  readonly skipped: number;
  /** Orders per second that are asked for. */
  readonly rate: number;
}

/** Creates orders at a steady rate, whether or not the order-service keeps up. */
@Injectable()
export class ProducerService implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(ProducerService.name);
  private readonly client: OrderClient;
  private readonly sender: OrderSender;
  private readonly inFlight = new Set<Promise<void>>();
  private pacer = new Pacer(performance.now());
  private timer: NodeJS.Timeout | undefined;
  private rate: number;
  private requested = 0;
  private accepted = 0;
  private failed = 0;
  private skipped = 0;

  constructor(@Inject(CONFIG) config: Config) {
    this.rate = config.ORDER_RATE;
    this.client = new OrderClient(config.ORDER_SERVICE_URL);
    this.sender = new OrderSender(this.client);
  }

  onApplicationBootstrap(): void {
    this.pacer = new Pacer(performance.now());
    this.timer = setInterval(() => this.tick(), TICK_MS);
  }

  /** Stops, and waits for the requests in flight. */
  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    this.sender.stop();
    await Promise.all(this.inFlight);
    this.client.close();
    this.logger.log({ ...this.stats(), msg: 'producer stopped' });
  }

  setRate(ordersPerSecond: number): void {
    this.rate = ordersPerSecond;
  }

  stats(): ProducerStats {
    const { requested, accepted, failed, skipped, rate } = this;
    return { requested, accepted, failed, skipped, rate };
  }

  private tick(): void {
    const due = this.pacer.takeDue(performance.now(), this.rate);
    const sent = Math.min(due, MAX_IN_FLIGHT - this.inFlight.size);
    this.skipped += due - sent;
    for (let i = 0; i < sent; i += 1) {
      const sending: Promise<void> = this.sendOne().finally(() => this.inFlight.delete(sending));
      this.inFlight.add(sending);
    }
  }

  private async sendOne(): Promise<void> {
    this.requested += 1;
    if (await this.sender.send(uuidv7(), createRandomOrder())) {
      this.accepted += 1;
    } else {
      this.failed += 1;
    }
  }
}
