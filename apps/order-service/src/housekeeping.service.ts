import {
  Inject,
  Injectable,
  Logger,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { CONFIG, type Config } from './config.js';
import { IdempotencyKeysRepository } from './idempotency-keys.repository.js';
import { SagaService } from './saga.service.js';
import { SettlementWatch } from './settlement-watch.js';
import { SURVEY, type TakeSurvey } from './survey.js';

const MAX_INTERVAL_MS = 30_000;
const INTERVALS_PER_TIMEOUT = 10;
/** What comes late after an outage of the broker or of this service comes within so long after it, or is lost. */
const CATCH_UP_MS = 5 * 60_000;

/** Gives up orders that never settle and forgets old idempotency keys. Every process does it; none waits for another. */
@Injectable()
export class HousekeepingService implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(HousekeepingService.name);
  private readonly timeoutMs: number;
  private readonly keyAgeMs: number;
  private readonly watch: SettlementWatch;
  private timer: NodeJS.Timeout | undefined;
  private round: Promise<void> | undefined;
  private isStopped = false;

  constructor(
    private readonly saga: SagaService,
    private readonly keys: IdempotencyKeysRepository,
    @Inject(SURVEY) survey: TakeSurvey,
    @Inject(CONFIG) config: Pick<Config, 'ORDER_TIMEOUT' | 'IDEMPOTENCY_KEY_RETENTION'>,
  ) {
    this.timeoutMs = config.ORDER_TIMEOUT * 1_000;
    this.keyAgeMs = config.IDEMPOTENCY_KEY_RETENTION * 1_000;
    this.watch = new SettlementWatch(survey);
  }

  onApplicationBootstrap(): void {
    const intervalMs = Math.min(MAX_INTERVAL_MS, this.timeoutMs / INTERVALS_PER_TIMEOUT);
    this.timer = setInterval(() => {
      // A round that takes longer than the interval is not joined by a second one.
      this.round ??= this.run().finally(() => (this.round = undefined));
    }, intervalMs);
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.isStopped = true;
    clearInterval(this.timer);
    await this.round;
  }

  /**
   * Does what is due.
   * @param now in milliseconds
   */
  async run(now = Date.now()): Promise<void> {
    await this.attempt('expire', async () => {
      const inTimeMs = await this.watch.look(now);
      // An order that is late because of an outage is not lost.
      if (inTimeMs === undefined || inTimeMs < Math.min(CATCH_UP_MS, this.timeoutMs)) return;
      await this.repeat(() => this.saga.expire(this.timeoutMs));
    });
    await this.attempt('prune', () => this.repeat(() => this.keys.prune(this.keyAgeMs)));
  }

  /** No task is skipped because another one fails. */
  private async attempt(task: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.logger.warn({ err: error, task }, 'housekeeping failed, trying again later');
    }
  }

  private async repeat(work: () => Promise<number>): Promise<void> {
    while (!this.isStopped && (await work()) > 0);
  }
}
