import type { Msg, NatsConnection, Payload } from '@nats-io/transport-node';
import { parseDeliveryInfo, type DeliveryInfo } from './delivery-info.js';
import type { DeliverySource, SourceListener } from './delivery-source.js';
import type { OrderedTarget } from './ordered-source.js';
import type { OwnConsumer } from './own-consumer.js';
import { OwnDelivery, readVerdict } from './own-delivery.js';
import { PullSubscription } from './pull-subscription.js';

/**
 * Pulls from a consumer that this process has for itself. When the server loses it, a new one begins at the oldest message
 * that was not settled, because the retries that were parked in the old one are gone with it.
 */
export class BroadcastSource implements DeliverySource {
  readonly consumerName: string;
  private readonly pull: PullSubscription;
  private readonly unsettled = new Set<number>();
  private resumeAt: number | undefined;

  constructor(
    nc: NatsConnection,
    private readonly target: OrderedTarget,
    private readonly consumer: OwnConsumer,
    private readonly listener: SourceListener,
  ) {
    const { stream, durable, instance, inboxPrefix } = target;
    this.consumerName = `${durable}_${instance}`;
    this.pull = new PullSubscription(
      nc,
      { stream, consumer: this.consumerName, inboxPrefix },
      {
        onMessage: (message) => this.receive(message),
        onCredit: () => listener.onCredit(),
        onTrouble: (reason) => listener.onTrouble(reason),
      },
      () => this.ensure(),
    );
  }

  get silentMs(): number {
    return this.pull.silentMs;
  }

  get isSilent(): boolean {
    return this.pull.isSilent;
  }

  start(): void {
    this.pull.start();
  }

  topUp(free: number, window: number): void {
    this.pull.topUp(free, window);
  }

  reset(): void {
    this.pull.reset();
  }

  restore(): Promise<void> {
    return this.pull.restore();
  }

  stop(): Promise<void> {
    return this.pull.stop();
  }

  close(): Promise<void> {
    return this.consumer.remove(this.consumerName);
  }

  private async ensure(): Promise<void> {
    if (this.resumeAt !== undefined && (await this.consumer.exists(this.consumerName))) return;
    const oldest = [...this.unsettled].reduce((least, sequence) => Math.min(least, sequence), Infinity);
    const from = oldest === Infinity ? this.resumeAt : oldest;
    this.resumeAt = await this.consumer.create(this.consumerName, from);
    this.unsettled.clear();
  }

  private receive(message: Msg): void {
    const info = parseDeliveryInfo(message.reply);
    if (!info) return;
    const { streamSequence } = info;
    this.unsettled.add(streamSequence);
    this.resumeAt = Math.max(this.resumeAt ?? 1, streamSequence + 1);
    const delivery = new OwnDelivery(message, (payload) => this.respond(message, streamSequence, payload));
    this.listener.onMessage(delivery, this.named(info));
  }

  private respond(message: Msg, sequence: number, payload: Payload | undefined): void {
    message.respond(payload);
    if (readVerdict(payload).kind === 'done') this.unsettled.delete(sequence);
  }

  /** Named after the handler: the name of the process's own consumer would be another one at every start. */
  private named(info: DeliveryInfo): DeliveryInfo {
    return {
      stream: info.stream,
      consumer: this.target.durable,
      deliveryCount: info.deliveryCount,
      streamSequence: info.streamSequence,
      consumerSequence: info.consumerSequence,
      timestampMs: info.timestampMs,
      pending: info.pending,
    };
  }
}
