import { Logger } from '@nestjs/common';
import type { ConsumerLiveness } from '../observer.js';
import { keepTrying } from './keep-trying.js';
import { LaneRunner, type RunnerParts } from './lane-runner.js';
import type { KeyedDelivery } from './keyed-delivery.js';
import { KeyedPartition, type PartitionParts } from './keyed-partition.js';
import { serverPlans } from './keyed-plan.js';
import { PinBalance } from './pin-balance.js';
import type { LocatedConsumer } from '../topology/topology.js';
import type { OwnLiveness } from './progress-watch.js';
import type { ConsumerPlan } from './routes.js';

export interface KeyedParts extends PartitionParts, RunnerParts {
  readonly restoreConsumer: (plan: ConsumerPlan) => Promise<void>;
}

/**
 * Keeps one durable with `orderBy` busy: takes its share of the partitions, runs what they bring in lanes, extends the ack wait
 * of all it holds, and comes back by itself when the server lost a consumer.
 */
export class KeyedConsumer {
  private readonly logger = new Logger(KeyedConsumer.name);
  private readonly partitions: readonly KeyedPartition[];
  private readonly runner: LaneRunner;
  private readonly balance: PinBalance;
  private state: ConsumerLiveness['state'] = 'stopped';
  /** Pausing and resuming, one after the other in the order they were asked for. */
  private transition: Promise<void> = Promise.resolve();
  private timer: NodeJS.Timeout | undefined;
  private tickedAt = performance.now();

  constructor(
    readonly plan: ConsumerPlan,
    private readonly parts: KeyedParts,
  ) {
    const { durable } = plan.options;
    this.runner = new LaneRunner(plan, parts, {
      mayRetry: (delivery) => this.mayStart() && this.partitionOf(delivery).owns(delivery),
      onRetry: (next) => this.partitionOf(next).replace(next),
      onEnd: (delivery, isSettled) => this.partitionOf(delivery).letGo(delivery, isSettled),
      onFree: () => this.schedule(),
    });
    this.partitions = serverPlans(plan).map(
      (share, track) =>
        new KeyedPartition(share, track, durable, parts, {
          onDelivery: (delivery) => this.enqueue(delivery),
          onOpen: () => this.open(track),
          onClose: () => this.runner.close(track),
          onLost: () => void this.runner.giveBack(track),
          onCredit: () => this.schedule(),
          onTrouble: (reason) => void this.recover(reason),
        }),
    );
    this.balance = new PinBalance(
      parts.connection.nc,
      `slipstream.partitions.${plan.stream.name}.${durable}`,
      {
        held: () => this.partitions.filter(({ isHeld }) => isHeld).length,
        canServe: () => this.state === 'running',
        onChange: () => this.share(),
      },
    );
  }

  get durable(): string {
    return this.plan.options.durable;
  }

  /** One for each partition. */
  get consumers(): LocatedConsumer[] {
    return this.partitions.map(({ plan }) => ({ plan, consumerName: plan.options.durable }));
  }

  start(): void {
    this.state = 'running';
    for (const partition of this.partitions) partition.start();
    this.tickedAt = performance.now();
    this.timer = setInterval(() => this.tick(), this.extensionMs);
    this.balance.start();
    this.schedule();
  }

  /** The connection came back. */
  reconnected(): void {
    if (!this.mayStart()) return;
    for (const partition of this.partitions) partition.reconnected();
    this.schedule();
  }

  /** Takes nothing new and gives back what was not started. What runs goes on: it may be what asked for the pause. */
  pause(): Promise<void> {
    return this.inOrder(async () => {
      if (!this.mayStart()) return;
      this.state = 'paused';
      this.balance.stop();
      await this.withdraw();
      await this.handOver();
      this.logger.log({ consumer: this.durable }, 'consumer paused');
    });
  }

  resume(): Promise<void> {
    return this.inOrder(async () => {
      if (this.state !== 'paused') return;
      this.state = 'running';
      for (const partition of this.partitions) partition.start();
      this.balance.start();
      this.schedule();
      this.logger.log({ consumer: this.durable }, 'consumer resumed');
    });
  }

  /** Takes nothing new, gives back what was not started, and resolves when what runs has been settled. */
  async stop(timeoutMs: number): Promise<void> {
    if (this.state === 'stopped') return;
    this.state = 'stopped';
    this.balance.stop();
    await this.transition;
    await Promise.all([this.withdraw(), this.runner.drain(timeoutMs)]);
    clearInterval(this.timer);
    await this.handOver();
  }

  get liveness(): OwnLiveness {
    const isSilent = this.partitions.some((partition) => partition.isSilent);
    return {
      stream: this.plan.stream.name,
      consumer: this.durable,
      state: this.state === 'running' && isSilent ? 'stalled' : this.state,
      silentMs: Math.max(...this.partitions.map(({ silentMs }) => silentMs)),
      held: this.partitions.reduce((sum, { heldCount }) => sum + heldCount, 0),
    };
  }

  private get extensionMs(): number {
    return this.plan.options.ackWaitMs / 3;
  }

  /** A process that was frozen must look first whether its messages have gone to another one. */
  private get isFrozen(): boolean {
    return performance.now() - this.tickedAt > 2 * this.extensionMs;
  }

  private mayStart(): boolean {
    return this.state === 'running' || this.state === 'stalled';
  }

  private inOrder(step: () => Promise<void>): Promise<void> {
    const done = this.transition.then(step);
    this.transition = done.catch(() => undefined);
    return done;
  }

  private enqueue(delivery: KeyedDelivery): void {
    this.runner.add(delivery);
    if (delivery.info.deliveryCount > 2) void this.examine(delivery);
    this.schedule();
  }

  /** What may have killed its process runs alone. Repeated deliveries come while the lanes are closed. */
  private async examine(delivery: KeyedDelivery): Promise<void> {
    await this.partitionOf(delivery).examine(async () => {
      delivery.isExclusive = await this.parts.processor.isSuspect(delivery);
    });
  }

  private open(track: number): void {
    this.runner.open(track);
    this.schedule();
  }

  private schedule(): void {
    if (!this.mayStart() || this.isFrozen) return;
    this.runner.advance();
    if (this.state !== 'running') return;
    const { mayTake } = this.balance;
    for (const partition of this.partitions) this.attempt(() => partition.ask(mayTake));
  }

  private async withdraw(): Promise<void> {
    await Promise.all(this.partitions.map((partition) => partition.stop()));
    await Promise.all(this.partitions.map((_, track) => this.runner.giveBack(track)));
  }

  /** Lets other processes have the partitions at once instead of after the time-out of their pins. */
  private async handOver(): Promise<void> {
    await this.parts.settler.flush().catch(() => undefined);
    await Promise.allSettled(this.partitions.map((partition) => partition.release()));
  }

  private share(): void {
    if (this.state === 'running' && this.balance.mustGive) {
      const [least] = this.partitions
        .filter(({ isHeld }) => isHeld)
        .toSorted((a, b) => a.heldCount - b.heldCount);
      void least?.release().catch((error: unknown) => {
        // The pin goes over by itself when it is no longer used.
        this.logger.debug({ err: error, consumer: this.durable }, 'could not release a partition');
      });
    }
    this.schedule();
  }

  /** Extends what is held, and looks for signs that the server has not heard of it for too long. */
  private tick(): void {
    const wasFrozen = this.isFrozen;
    this.tickedAt = performance.now();
    const longAgo = this.tickedAt - this.extensionMs;
    for (const partition of this.partitions) {
      if (wasFrozen || partition.silentMs > 2 * this.extensionMs) partition.doubt();
      for (const delivery of partition.deliveries()) {
        if (delivery.receivedAt <= longAgo) this.attempt(() => this.parts.processor.extend(delivery));
      }
    }
    if (this.partitions.some(({ isSilent }) => isSilent)) void this.recover('nothing heard for too long');
    else this.schedule();
  }

  private partitionOf({ track }: KeyedDelivery): KeyedPartition {
    return this.partitions[track] as KeyedPartition;
  }

  /** A closing connection refuses to send; the server delivers again after the ack wait. */
  private attempt(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.logger.debug({ err: error, consumer: this.durable }, 'could not reach the server');
    }
  }

  private async recover(reason: string): Promise<void> {
    if (this.state !== 'running') return;
    this.state = 'stalled';
    this.logger.warn({ consumer: this.durable, reason }, 'consumer stalled, restoring it');
    await keepTrying(
      () => this.isStalled(),
      () => this.restore(),
      (error) => this.logger.warn({ err: error, consumer: this.durable }, 'consumer not restored yet'),
    );
  }

  /** Creates on the server what is missing for deliveries. */
  async restore(): Promise<void> {
    for (const { plan } of this.partitions.toReversed()) await this.parts.restoreConsumer(plan);
    // A stop that came meanwhile must not be undone.
    if (!this.isStalled()) return;
    this.state = 'running';
    this.reconnected();
    this.logger.log({ consumer: this.durable }, 'consumer restored');
  }

  private isStalled(): boolean {
    return this.state === 'stalled';
  }
}
