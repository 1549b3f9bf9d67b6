import { Logger } from '@nestjs/common';
import type { DeliveryProcessor } from './delivery-processor.js';
import type { HoldingSettler } from './holding-settler.js';
import { LaneScheduler } from './lanes.js';
import type { KeyedDelivery } from './keyed-delivery.js';
import type { Quarantine } from './quarantine.js';
import type { ConsumerPlan } from './routes.js';

/** Before a message is run again that could not be counted or reported. */
const UNREACHABLE_RETRY_MS = 1_000;

export interface RunnerParts {
  readonly processor: DeliveryProcessor;
  readonly settler: HoldingSettler;
  readonly quarantine: Quarantine;
}

export interface RunnerListener {
  /** False when the delivery must be given back instead of being tried again here. */
  mayRetry(delivery: KeyedDelivery): boolean;
  /** A delivery waits for its next attempt, under a new face. */
  onRetry(next: KeyedDelivery): void;
  /** A delivery left its lane. */
  onEnd(delivery: KeyedDelivery, isSettled: boolean): void;
  /** Something may start. */
  onFree(): void;
}

/**
 * Runs deliveries in lanes. One that is to be tried again stays in front of its lane until then: given back to the server,
 * it would be overtaken.
 */
export class LaneRunner {
  private readonly logger = new Logger(LaneRunner.name);
  private readonly lanes: LaneScheduler<KeyedDelivery>;
  private readonly retries = new Map<KeyedDelivery, NodeJS.Timeout>();
  private idle: (() => void) | undefined;

  constructor(
    private readonly plan: ConsumerPlan,
    private readonly parts: RunnerParts,
    private readonly listener: RunnerListener,
  ) {
    this.lanes = new LaneScheduler(plan.options.partitions, plan.options.concurrency);
  }

  add(delivery: KeyedDelivery): void {
    this.lanes.add(delivery);
  }

  open(track: number): void {
    this.lanes.open(track);
  }

  close(track: number): void {
    this.lanes.close(track);
  }

  /** Starts what may run. */
  advance(): void {
    for (let next = this.lanes.start(); next; next = this.lanes.start()) void this.run(next);
  }

  /** Gives back everything of a track that does not run. */
  async giveBack(track: number): Promise<void> {
    const unstarted = this.lanes.withdraw(track);
    for (const delivery of unstarted) {
      clearTimeout(this.retries.get(delivery));
      this.retries.delete(delivery);
      this.listener.onEnd(delivery, false);
    }
    await this.parts.processor.giveBack(unstarted);
  }

  /** Resolves when nothing runs; after `timeoutMs` what runs is told to abort. */
  async drain(timeoutMs: number): Promise<void> {
    if (this.lanes.running === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.idle = resolve;
    const timer = setTimeout(() => {
      this.parts.processor.abortRunning(new Error('the process is shutting down'));
      resolve();
    }, timeoutMs);
    await promise;
    clearTimeout(timer);
  }

  private async run(delivery: KeyedDelivery): Promise<void> {
    const retryMs = await this.process(delivery);
    if (retryMs === undefined) {
      // The next of the key starts when the ack is on its way: a kill in between would run this one after the next.
      await this.parts.settler.sent();
      this.end(delivery, true);
    } else if (this.listener.mayRetry(delivery)) {
      this.retryLater(delivery, retryMs);
    } else {
      this.end(delivery, false);
      await this.parts.processor.giveBack([delivery.again()]);
    }
    this.listener.onFree();
    if (this.lanes.running === 0) this.idle?.();
  }

  /** Resolves with the milliseconds after which the message must be run again, if it must. */
  private async process(delivery: KeyedDelivery): Promise<number | undefined> {
    const { processor, quarantine, settler } = this.parts;
    try {
      // It may have waited: the server must not give it away while it runs.
      if (performance.now() - delivery.receivedAt > this.plan.options.ackWaitMs / 10)
        processor.extend(delivery);
      if (delivery.isExclusive) {
        await quarantine.run(async () => {
          await processor.flush();
          await processor.process([delivery]);
        });
      } else {
        await processor.process([delivery]);
      }
      return settler.takeRetryDelay(delivery.message);
    } catch (error) {
      this.logger.error({ err: error, consumer: this.plan.options.durable }, 'delivery left unsettled');
      // Left where it is, a delay of this attempt would be taken for one of the next, and run again what that one settled.
      return settler.takeRetryDelay(delivery.message) ?? UNREACHABLE_RETRY_MS;
    }
  }

  private end(delivery: KeyedDelivery, isSettled: boolean): void {
    this.lanes.finish(delivery);
    this.listener.onEnd(delivery, isSettled);
  }

  private retryLater(delivery: KeyedDelivery, delayMs: number): void {
    const next = delivery.again();
    this.lanes.defer(delivery, next);
    this.listener.onRetry(next);
    const timer = setTimeout(() => {
      this.retries.delete(next);
      this.lanes.retry(next);
      this.listener.onFree();
    }, delayMs);
    this.retries.set(next, timer);
  }
}
