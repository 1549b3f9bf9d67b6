import type { Msg, NatsConnection, Payload } from '@nats-io/transport-node';
import { parseDeliveryInfo, type DeliveryInfo } from './delivery-info.js';
import type { DeliverySource, SourceListener } from './delivery-source.js';
import type { OwnConsumer } from './own-consumer.js';
import { OwnDelivery, readVerdict } from './own-delivery.js';
import { PullSubscription } from './pull-subscription.js';

/** Messages fetched ahead, so that the handler need not wait for the network. */
const PREFETCH = 512;
const MAX_WAITING_BYTES = 16 * 1024 * 1024;

export interface OrderedTarget {
  readonly stream: string;
  /** Name of the handler; the consumers on the server begin with it. */
  readonly durable: string;
  /** Tells this process from the others. */
  readonly instance: string;
  readonly inboxPrefix: string | undefined;
}

interface Arrival {
  readonly message: Msg;
  readonly info: DeliveryInfo;
  readonly deliveryCount: number;
}

/**
 * Reads a stream in its order, one message after the other. The consumer on the server knows no acks; this source keeps
 * their protocol instead: a message that is negatively acknowledged is delivered again here, and the next one waits for
 * it. After a gap, a lost connection or a lost consumer it makes a new consumer that begins behind the last message.
 */
export class OrderedSource implements DeliverySource {
  private readonly waiting: Arrival[] = [];
  private waitingBytes = 0;
  private current: OwnDelivery | undefined;
  private isBusy = false;
  private parked: NodeJS.Timeout | undefined;
  private pull: PullSubscription | undefined;
  private serial = 0;
  private expected = 1;
  private resumeAt: number | undefined;
  private isStarted = false;
  private isClosed = false;

  constructor(
    private readonly nc: NatsConnection,
    private readonly target: OrderedTarget,
    private readonly consumer: OwnConsumer,
    private readonly listener: SourceListener,
  ) {}

  get consumerName(): string {
    return `${this.target.durable}_${this.target.instance}_${this.serial}`;
  }

  get silentMs(): number {
    return this.pull?.silentMs ?? 0;
  }

  get isSilent(): boolean {
    return this.pull?.isSilent ?? false;
  }

  start(): void {
    this.isStarted = true;
    if (this.pull) this.pull.start();
    else this.listener.onTrouble('it has no consumer after a pause');
    this.next();
  }

  topUp(): void {
    if (!this.isStarted || this.waitingBytes > MAX_WAITING_BYTES) return;
    // Asked for one by one as they are handled, messages would cost a request each.
    if (this.waiting.length > PREFETCH / 2) return;
    this.pull?.topUp(PREFETCH - this.waiting.length, PREFETCH);
  }

  /** What was on its way is lost and cannot be asked for again: without acks the server counts it as delivered. */
  reset(): void {
    this.listener.onTrouble('the connection was lost');
  }

  async restore(): Promise<void> {
    this.abandon();
    const name = this.consumerName;
    const { serial } = this;
    const resumeAt = await this.consumer.create(name, this.resumeAt);
    // A pause that came meanwhile has abandoned it, and what came after that has another; both would deliver everything.
    if (this.isClosed || serial !== this.serial) return this.consumer.remove(name);
    this.resumeAt = resumeAt;
    this.expected = 1;
    this.pull = this.subscribe(name, serial);
    if (this.isStarted) this.pull.start();
  }

  async stop(): Promise<void> {
    this.isStarted = false;
    const { pull } = this;
    await pull?.stop();
    // What the server sends before it notices is lost, so that a consumer cannot be gone on with.
    if (pull === this.pull) this.abandon();
  }

  async close(): Promise<void> {
    this.isClosed = true;
    clearTimeout(this.parked);
    if (this.pull) await this.consumer.remove(this.consumerName);
  }

  /** From here on what the consumer still sends is ignored; it comes again. */
  private abandon(): void {
    if (this.pull) {
      void this.consumer.remove(this.consumerName);
      void this.pull.stop().catch(() => undefined);
    }
    this.pull = undefined;
    this.serial++;
  }

  private subscribe(consumer: string, serial: number): PullSubscription {
    const { stream, inboxPrefix } = this.target;
    const ifCurrent = (act: () => void) => {
      if (serial === this.serial) act();
    };
    const listener: SourceListener = {
      onMessage: (message) => ifCurrent(() => this.receive(message)),
      onCredit: () => ifCurrent(() => this.topUp()),
      onTrouble: (reason) => ifCurrent(() => this.listener.onTrouble(reason)),
    };
    return new PullSubscription(this.nc, { stream, consumer, inboxPrefix }, listener, () =>
      Promise.resolve(),
    );
  }

  private receive(message: Msg): void {
    const info = parseDeliveryInfo(message.reply);
    if (!info) return;
    if (info.consumerSequence !== this.expected) {
      this.listener.onTrouble(`delivery ${this.expected} is missing before ${info.consumerSequence}`);
      return;
    }
    this.expected++;
    this.resumeAt = info.streamSequence + 1;
    this.waitingBytes += message.data.length;
    this.waiting.push({ message, info, deliveryCount: 1 });
    this.next();
  }

  private next(): void {
    if (this.isBusy || !this.isStarted) return;
    const arrival = this.waiting.shift();
    if (!arrival) return;
    this.waitingBytes -= arrival.message.data.length;
    this.isBusy = true;
    this.hand(arrival);
    this.topUp();
  }

  private hand(arrival: Arrival): void {
    const { message, info, deliveryCount } = arrival;
    const delivery = new OwnDelivery(message, (payload) => {
      // A settlement that comes twice settles nothing.
      if (delivery === this.current) this.settle(arrival, payload);
    });
    this.current = delivery;
    this.listener.onMessage(delivery, {
      stream: info.stream,
      consumer: this.target.durable,
      deliveryCount,
      streamSequence: info.streamSequence,
      consumerSequence: info.consumerSequence,
      timestampMs: info.timestampMs,
      pending: info.pending + this.waiting.length,
    });
  }

  private settle(arrival: Arrival, payload: Payload | undefined): void {
    const verdict = readVerdict(payload);
    if (verdict.kind === 'other') return;
    this.current = undefined;
    if (verdict.kind === 'nak') {
      this.parked = setTimeout(() => this.again(arrival), verdict.delayMs);
      return;
    }
    this.isBusy = false;
    this.next();
  }

  private again(arrival: Arrival): void {
    this.waiting.unshift({ ...arrival, deliveryCount: arrival.deliveryCount + 1 });
    this.waitingBytes += arrival.message.data.length;
    this.isBusy = false;
    this.next();
  }
}
