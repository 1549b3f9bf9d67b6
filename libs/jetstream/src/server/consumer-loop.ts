import type { Msg } from '@nats-io/transport-node';
import { Logger } from '@nestjs/common';
import type { JetStreamConnection } from '../connection.js';
import { windowOf } from '../handler.options.js';
import type { ConsumerLiveness } from '../observer.js';
import type { DeliveryProcessor } from './delivery-processor.js';
import { parseDeliveryInfo, type DeliveryInfo } from './delivery-info.js';
import { PullSubscription } from './pull-subscription.js';
import type { Quarantine } from './quarantine.js';
import type { ConsumerPlan } from './routes.js';

const WATCH_INTERVAL_MS = 1_000;
/** Bytes held beyond which nothing more is asked for, whatever the window allows. */
const MAX_HELD_BYTES = 64 * 1024 * 1024;
const RECOVERY_DELAYS_MS = [100, 250, 500, 1_000, 2_000, 5_000];

export interface Delivery {
  readonly message: Msg;
  readonly info: DeliveryInfo;
  readonly receivedAt: number;
  /** Size of the body. */
  readonly bytes: number;
}

/**
 * Keeps one durable consumer busy: pulls what it can take, starts at most `concurrency` units of work, extends the ack
 * wait of everything it holds, and comes back by itself when the server lost the consumer.
 */
export class ConsumerLoop {
  private readonly logger = new Logger(ConsumerLoop.name);
  private readonly pull: PullSubscription;
  private readonly queue: Delivery[] = [];
  private readonly suspects: Delivery[] = [];
  private readonly held = new Set<Delivery>();
  private readonly window: number;
  private heldBytes = 0;
  private running = 0;
  private isIsolating = false;
  private state: ConsumerLiveness['state'] = 'stopped';
  private lingering: NodeJS.Timeout | undefined;
  private lingerPassed = false;
  private timers: NodeJS.Timeout[] = [];
  private idle: (() => void) | undefined;

  constructor(
    { nc, inboxPrefix }: Pick<JetStreamConnection, 'nc' | 'inboxPrefix'>,
    private readonly plan: ConsumerPlan,
    private readonly processor: DeliveryProcessor,
    private readonly quarantine: Quarantine,
    private readonly restoreConsumer: () => Promise<void>,
  ) {
    this.window = windowOf(plan.options);
    this.pull = new PullSubscription(
      nc,
      { stream: plan.stream.name, consumer: plan.options.durable, inboxPrefix },
      {
        onMessage: (message) => this.receive(message),
        onCredit: () => this.schedule(),
        onTrouble: (reason) => void this.recover(reason),
      },
    );
  }

  start(): void {
    this.state = 'running';
    this.pull.start();
    this.schedule();
    this.timers = [
      setInterval(() => this.watch(), WATCH_INTERVAL_MS),
      setInterval(() => this.extendHeld(), this.plan.options.ackWaitMs / 3),
    ];
  }

  /** The connection came back; what the server was asked before is void. */
  resume(): void {
    if (this.state === 'stopped') return;
    this.pull.reset();
    this.schedule();
  }

  /** Takes nothing new, gives back what was not started, and resolves when what runs has been settled. */
  async stop(timeoutMs: number): Promise<void> {
    if (this.state === 'stopped') return;
    this.state = 'stopped';
    clearTimeout(this.lingering);
    await this.pull.stop();
    const unstarted = [...this.queue.splice(0), ...this.suspects.splice(0)];
    await Promise.all([this.giveBack(unstarted), this.drain(timeoutMs)]);
    for (const timer of this.timers) clearInterval(timer);
  }

  get liveness(): ConsumerLiveness {
    const state = this.state === 'running' && this.pull.isSilent ? 'stalled' : this.state;
    return {
      stream: this.plan.stream.name,
      consumer: this.plan.options.durable,
      state,
      silentMs: this.pull.silentMs,
    };
  }

  private receive(message: Msg): void {
    const info = parseDeliveryInfo(message.reply);
    if (!info) return;
    const delivery = { message, info, receivedAt: Date.now(), bytes: message.data.length };
    this.held.add(delivery);
    this.heldBytes += delivery.bytes;
    if (info.deliveryCount <= 2) this.enqueue(this.queue, delivery);
    else void this.enqueueRepeated(delivery);
  }

  private async enqueueRepeated(delivery: Delivery): Promise<void> {
    const isSuspect = await this.processor.isSuspect(delivery);
    if (this.state === 'stopped') await this.giveBack([delivery]);
    else this.enqueue(isSuspect ? this.suspects : this.queue, delivery);
  }

  private enqueue(queue: Delivery[], delivery: Delivery): void {
    queue.push(delivery);
    this.schedule();
  }

  private async giveBack(deliveries: readonly Delivery[]): Promise<void> {
    this.letGo(deliveries);
    await this.processor.giveBack(deliveries);
  }

  private letGo(deliveries: readonly Delivery[]): void {
    for (const delivery of deliveries) {
      if (this.held.delete(delivery)) this.heldBytes -= delivery.bytes;
    }
  }

  private schedule(): void {
    if (this.state === 'stopped') return;
    if (this.suspects.length > 0) this.runSuspect();
    while (!this.isIsolating && this.running < this.plan.options.concurrency) {
      const unit = this.takeUnit();
      if (unit.length === 0) break;
      this.run(unit, () => this.processor.process(unit));
    }
    if (this.state === 'running' && this.heldBytes < MAX_HELD_BYTES) {
      this.attempt(() => this.pull.topUp(this.window - this.held.size, this.window));
    }
  }

  private takeUnit(): Delivery[] {
    const { batch } = this.plan.options;
    if (!batch) {
      const next = this.queue.shift();
      return next ? [next] : [];
    }
    if (this.queue.length >= batch.size || this.lingerPassed) {
      this.lingerPassed = false;
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
      this.letGo(unit);
      this.isIsolating = this.suspects.length > 0;
      this.schedule();
      if (this.running === 0) this.idle?.();
    };
    work().then(end, (error: unknown) => {
      this.logger.error({ err: error, consumer: this.plan.options.durable }, 'deliveries left unsettled');
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
    const longAgo = Date.now() - this.plan.options.ackWaitMs / 3;
    for (const delivery of this.held) {
      if (delivery.receivedAt <= longAgo) this.attempt(() => this.processor.extend(delivery));
    }
  }

  private watch(): void {
    if (this.state === 'running' && this.pull.isSilent) {
      void this.recover(`nothing heard for ${Math.round(this.pull.silentMs / 1000)} s`);
    } else {
      this.schedule();
    }
  }

  /** A closing connection refuses to send; the server delivers again after the ack wait. */
  private attempt(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.logger.debug({ err: error, consumer: this.plan.options.durable }, 'could not reach the server');
    }
  }

  private async recover(reason: string): Promise<void> {
    if (this.state !== 'running') return;
    this.state = 'stalled';
    this.logger.warn({ consumer: this.plan.options.durable, reason }, 'consumer stalled, restoring it');
    for (let round = 0; this.isStalled(); round++) {
      await delay(RECOVERY_DELAYS_MS[Math.min(round, RECOVERY_DELAYS_MS.length - 1)] ?? 0);
      if (!this.isStalled()) return;
      try {
        await this.restoreConsumer();
        // A stop that came meanwhile must not be undone.
        if (!this.isStalled()) return;
        this.state = 'running';
        this.resume();
        this.logger.log({ consumer: this.plan.options.durable }, 'consumer restored');
      } catch (error) {
        this.logger.warn({ err: error, consumer: this.plan.options.durable }, 'consumer not restored yet');
      }
    }
  }

  private isStalled(): boolean {
    return this.state === 'stalled';
  }
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
