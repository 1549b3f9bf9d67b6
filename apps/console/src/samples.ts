import { Injectable, Logger, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { Inventory } from '@slipstream/operations';
import type { History } from './api.js';
import { SampleHistory } from './sample-history.js';

const INTERVAL_S = 5;
const KEPT_S = 15 * 60;

/** Looks at streams and consumers all the time, so that who comes late sees how it came about. */
@Injectable()
export class Samples implements OnModuleInit, OnModuleDestroy {
  private readonly logger = new Logger(Samples.name);
  private readonly kept = new SampleHistory(INTERVAL_S, KEPT_S / INTERVAL_S);
  private timer: NodeJS.Timeout | undefined;
  private isStopped = false;
  private isFailing = false;

  constructor(private readonly inventory: Inventory) {}

  onModuleInit(): void {
    void this.goOn();
  }

  onModuleDestroy(): void {
    this.isStopped = true;
    clearTimeout(this.timer);
  }

  history(): History {
    return this.kept.read();
  }

  private async goOn(): Promise<void> {
    await this.take();
    // After it: an answer that takes longer than the interval must not be overtaken by the next.
    if (!this.isStopped) this.timer = setTimeout(() => void this.goOn(), INTERVAL_S * 1_000);
  }

  private async take(): Promise<void> {
    const at = Date.now() / 1_000;
    try {
      this.kept.add({ at, ...(await this.inventory.survey()) });
      this.isFailing = false;
    } catch (error) {
      // Once, not every few seconds for as long as NATS is away.
      if (!this.isFailing && !this.isStopped) {
        this.logger.warn({ err: error }, 'NATS did not tell of its streams');
      }
      this.isFailing = true;
    }
  }
}
