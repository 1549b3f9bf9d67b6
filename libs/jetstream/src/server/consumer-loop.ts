import type { Msg } from '@nats-io/transport-node';
import { failpoint } from '@slipstream/failpoints';
import { Logger } from '@nestjs/common';
import { windowOf } from '../handler.options.js';
import type { ConsumerLiveness } from '../observer.js';
import type { DeliveryProcessor } from './delivery-processor.js';
import { parseDeliveryInfo } from './delivery-info.js';
import type { DeliverySource, SourceListener } from './delivery-source.js';
import { extensionIntervalMs, HeldDeliveries, type Delivery } from './held-deliveries.js';
import { keepTrying } from './keep-trying.js';
import type { LocatedConsumer } from '../topology/topology.js';
import type { OwnLiveness } from './progress-watch.js';
import type { Quarantine } from './quarantine.js';
import type { ConsumerPlan } from './routes.js';

const WATCH_INTERVAL_MS = 1_000;

/**
 * Keeps one consumer busy: takes from its source what it is free for, starts at most `concurrency` units of work, extends
 * the ack wait of everything it holds, and comes back by itself when the server lost the consumer.
 */
export class ConsumerLoop {
  private readonly logger = new Logger(ConsumerLoop.name);
  private readonly source: DeliverySource;
  private readonly queue: Delivery[] = [];
  private readonly suspects: Delivery[] = [];
  private readonly held = new HeldDeliveries();
  private readonly window: number;
  private running = 0;
  private isIsolating = false;
  private state: ConsumerLiveness['state'] = 'stopped';
  private recoveries = 0;
  /** Pausing and resuming, one after the other in the order they were asked for. */
  private transition: Promise<void> = Promise.resolve();
  private lingering: NodeJS.Timeout | undefined;
  private lingerPassed = false;
  private timers: NodeJS.Timeout[] = [];
  private idle: (() => void) | undefined;

  constructor(
    readonly plan: ConsumerPlan,
    private readonly processor: DeliveryProcessor,
    private readonly quarantine: Quarantine,
    openSource: (listener: SourceListener) => DeliverySource,
  ) {
    this.window = windowOf(plan.options);
    this.source = openSource({
      onMessage: (message, info) => this.receive(message, info),
      onCredit: () => this.schedule(),
      onTrouble: (reason) => void this.recover(reason),
    });
  }

  /** Creates on the server what is missing for deliveries. */
  restore(): Promise<void> {
    return this.source.restore();
  }

  start(): void {
    this.state = 'running';
    this.source.start();
    this.schedule();
    this.timers = [
      setInterval(() => this.watch(), WATCH_INTERVAL_MS),
      setInterval(() => this.extendHeld(), extensionIntervalMs(this.plan.options.ackWaitMs)),
    ];
  }

  get durable(): string {
    return this.plan.options.durable;
  }

  /** The connection came back; what the server was asked before is void. */
  reconnected(): void {
    if (!this.mayStart()) return;
    this.source.reset();
    this.schedule();
  }

  /** Takes nothing new and gives back what was not started. What runs goes on: it may be what asked for the pause. */
  pause(): Promise<void> {
    return this.inOrder(async () => {
      if (!this.mayStart()) return;
      this.state = 'paused';
      await this.withdraw();
      this.logger.log({ consumer: this.durable }, 'consumer paused');
    });
  }

  resume(): Promise<void> {
    return this.inOrder(async () => {
      if (this.state !== 'paused') return;
      this.state = 'running';
      this.source.start();
      this.schedule();
      this.logger.log({ consumer: this.durable }, 'consumer resumed');
    });
  }

  /** Takes nothing new, gives back what was not started, and resolves when what runs has been settled. */
  async stop(timeoutMs: number): Promise<void> {
    if (this.state === 'stopped') return;
    this.state = 'stopped';
    await this.transition;
    await Promise.all([this.withdraw(), this.drain(timeoutMs)]);
    await this.source.close();
    for (const timer of this.timers) clearInterval(timer);
  }

  /** The consumer on the server. */
  get consumers(): readonly LocatedConsumer[] {
    return [{ plan: this.plan, consumerName: this.source.consumerName }];
  }

  get liveness(): OwnLiveness {
    const state = this.state === 'running' && this.source.isSilent ? 'stalled' : this.state;
    return {
      stream: this.plan.stream.name,
      consumer: this.durable,
      state,
      silentMs: this.source.silentMs,
      held: this.held.count,
    };
  }

  private inOrder(step: () => Promise<void>): Promise<void> {
    const done = this.transition.then(step);
    this.transition = done.catch(() => undefined);
    return done;
  }

  private async withdraw(): Promise<void> {
    this.endLinger();
    await this.source.stop();
    await this.giveBack([...this.queue.splice(0), ...this.suspects.splice(0)]);
  }

  private mayStart(): boolean {
    return this.state === 'running' || this.state === 'stalled';
  }

  private receive(received: Msg, parsed = parseDeliveryInfo(received.reply)): void {
    if (!parsed) return;
    const { message, info } = this.plan.restore?.(received, parsed) ?? { message: received, info: parsed };
    const delivery = this.held.add(message, info);
    failpoint('jetstream.after-receive');
    if (info.deliveryCount <= 2) this.enqueue(this.queue, delivery);
    else void this.enqueueRepeated(delivery);
  }

  private async enqueueRepeated(delivery: Delivery): Promise<void> {
    const isSuspect = await this.processor.isSuspect(delivery);
    if (this.mayStart()) this.enqueue(isSuspect ? this.suspects : this.queue, delivery);
    else await this.giveBack([delivery]);
  }

  private enqueue(queue: Delivery[], delivery: Delivery): void {
    queue.push(delivery);
    this.schedule();
  }

  private async giveBack(deliveries: readonly Delivery[]): Promise<void> {
    this.held.letGo(deliveries);
    await this.processor.giveBack(deliveries);
  }

  private schedule(): void {
    if (!this.mayStart()) return;
    if (this.suspects.length > 0) this.runSuspect();
    while (!this.isIsolating && this.running < this.plan.options.concurrency) {
      const unit = this.takeUnit();
      if (unit.length === 0) break;
      this.run(unit, () => this.processor.process(unit));
    }
    if (this.state === 'running' && !this.held.isFull && !this.processor.isHoldingOff) {
      this.attempt(() => this.source.topUp(this.window - this.held.count, this.window));
    }
  }

  private takeUnit(): Delivery[] {
    const { batch } = this.plan.options;
    if (!batch) {
      const next = this.queue.shift();
      return next ? [next] : [];
    }
    if (this.queue.length >= batch.size || this.lingerPassed) {
      this.endLinger();
      return this.queue.splice(0, batch.size);
    }
    if (this.queue.length > 0) this.linger(batch.lingerMs);
    return [];
  }

  private linger(lingerMs: number): void {
    this.lingering ??= setTimeout(() => {
      this.lingering = undefined;
      this.lingerPassed = this.queue.length > 0;
      this.schedule();
    }, lingerMs);
  }

  /** What is left lingers anew: by the time of the batch before it, it would be handed over too early. */
  private endLinger(): void {
    clearTimeout(this.lingering);
    this.lingering = undefined;
    this.lingerPassed = false;
  }

  /** Waits until nothing runs beside the suspect and the acks of what ran before have arrived. */
  private runSuspect(): void {
    this.isIsolating = true;
    if (this.running > 0) return;
    const suspect = this.suspects.splice(0, 1);
    this.run(suspect, () =>
      this.quarantine.run(async () => {
        await this.processor.flush();
        await this.processor.process(suspect);
      }),
    );
  }

  private run(unit: Delivery[], work: () => Promise<void>): void {
    this.running++;
    const end = () => {
      this.running--;
      this.held.letGo(unit);
      this.isIsolating = this.suspects.length > 0;
      this.schedule();
      if (this.running === 0) this.idle?.();
    };
    work().then(end, (error: unknown) => {
      this.logger.error({ err: error, consumer: this.durable }, 'deliveries left unsettled');
      end();
    });
  }

  private async drain(timeoutMs: number): Promise<void> {
    if (this.running === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.idle = resolve;
    const timer = setTimeout(() => {
      this.processor.abortRunning(new Error('the process is shutting down'));
      resolve();
    }, timeoutMs);
    await promise;
    clearTimeout(timer);
  }

  private extendHeld(): void {
    for (const delivery of this.held.olderThan(extensionIntervalMs(this.plan.options.ackWaitMs))) {
      this.attempt(() => this.processor.extend(delivery));
    }
  }

  private watch(): void {
    if (this.state === 'running' && this.source.isSilent) {
      void this.recover(`nothing heard for ${Math.round(this.source.silentMs / 1000)} s`);
    } else {
      this.schedule();
    }
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
    const recovery = ++this.recoveries;
    const isWanted = () => this.state === 'stalled' && recovery === this.recoveries;
    await keepTrying(
      isWanted,
      async () => {
        await this.source.restore();
        // A stop that came meanwhile must not be undone, nor a later recovery be taken for done.
        if (!isWanted()) return;
        this.state = 'running';
        this.schedule();
        this.logger.log({ consumer: this.durable }, 'consumer restored');
      },
      (error) => this.logger.warn({ err: error, consumer: this.durable }, 'consumer not restored yet'),
    );
  }
}
