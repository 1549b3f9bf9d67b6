import {
  Injectable,
  Logger,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { JetStreamServer } from '@slipstream/jetstream';
import { GatewayGuard } from './gateway-guard.js';
import { PAYMENT_ORDERS } from './payments.controller.js';
import { StalledPaymentsService } from './stalled-payments.service.js';

/** Payments nobody has touched for so long were left behind by the outage; younger ones are being worked on. */
const LEFT_BEHIND_MS = 2_000;
/** One trial in so many is left to new orders: a few payments that fail by themselves must not keep them out for ever. */
const TRIALS_PER_ORDERS = 4;
/** A trial that too few payments took part in goes on so much later. */
const NEXT_TRIAL_MS = 1_000;

/**
 * Takes no more orders from the stream while the gateway gets a break, so that an outage costs them no attempts; when
 * the break is over, tries payments that were left unfinished, and lets orders in again once those come through.
 */
@Injectable()
export class GatewayOutageService implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(GatewayOutageService.name);
  private timer: NodeJS.Timeout | undefined;
  private trial: Promise<void> = Promise.resolve();
  private controlled: Promise<void> = Promise.resolve();
  private isStopped = false;
  /** Since the gateway was well. */
  private trials = 0;

  constructor(
    private readonly guard: GatewayGuard,
    private readonly stalled: StalledPaymentsService,
    private readonly server: JetStreamServer,
  ) {}

  onApplicationBootstrap(): void {
    this.guard.onOpen(() => this.breakOff());
    this.guard.onClose(() => this.goOn());
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.isStopped = true;
    clearTimeout(this.timer);
    await this.trial;
  }

  private breakOff(): void {
    const { remainingMs } = this.guard;
    this.logger.warn({ remainingMs }, 'the gateway is in trouble, no orders are taken until it is back');
    this.control('pause');
    this.tryIn(remainingMs);
  }

  private tryIn(delayMs: number): void {
    clearTimeout(this.timer);
    if (this.isStopped) return;
    this.timer = setTimeout(() => {
      this.trial = this.tryGateway();
    }, delayMs);
  }

  private goOn(): void {
    this.logger.log('the gateway is back');
    this.trials = 0;
    this.control('resume');
    void this.stalled.resumeAll(LEFT_BEHIND_MS);
  }

  private async tryGateway(): Promise<void> {
    const isLeftToOrders = ++this.trials % TRIALS_PER_ORDERS === 0;
    const tried = isLeftToOrders ? undefined : await this.tryLeftBehind();
    if (this.isStopped || this.guard.isClosed) return;
    // Failed, or the clock was set back meanwhile and the break is not over yet.
    if (this.guard.isOpen) return this.tryIn(this.guard.remainingMs);
    // Too few were left to tell: then the next orders are the trial, and most of them wait for how it ends.
    this.control('resume');
    // Without new orders what is left goes on with the trial, or it would wait for them for ever.
    if (tried !== 0) this.tryIn(NEXT_TRIAL_MS);
  }

  /** @returns how many payments took part; undefined when that is not known */
  private async tryLeftBehind(): Promise<number | undefined> {
    try {
      return await this.stalled.resumeBatch(GatewayGuard.trialCalls, 0);
    } catch (err) {
      this.logger.warn({ err }, 'stalled payments could not be read');
      return undefined;
    }
  }

  /** One after the other: a pause that takes its time must not end after the resume that follows it. */
  private control(verb: 'pause' | 'resume'): void {
    const earlier = this.controlled;
    this.controlled = (async () => {
      await earlier;
      if (!this.isStopped) await this.server[verb](PAYMENT_ORDERS);
    })().catch((err: unknown) => this.logger.error({ err, verb }, 'the consumer could not be controlled'));
  }
}
