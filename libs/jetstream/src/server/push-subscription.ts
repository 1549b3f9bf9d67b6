import type { ConsumerConfig, ConsumerInfo } from '@nats-io/jetstream';
import {
  PermissionViolationError,
  type Msg,
  type NatsConnection,
  type Subscription,
} from '@nats-io/transport-node';
import type { DeliverySource, SourceListener } from './delivery-source.js';
import { isMissing } from './missing.js';

const PROBE_INTERVAL_MS = 3_000;
const SILENCE_LIMIT_MS = 4 * PROBE_INTERVAL_MS;

export interface PushTarget {
  readonly consumer: string;
  readonly deliverSubject: string;
  readonly queueGroup: string;
}

/** What a push subscription needs of the server beside messages. */
export interface PushConsumer {
  ensure(): Promise<void>;
  info(): Promise<ConsumerInfo>;
}

/**
 * Takes what the server pushes to a queue group. The server sends until `max_ack_pending` messages are unacked, whoever
 * holds them. A queue group has no heartbeats of its own (they would reach one member at a time, and the client refuses
 * them), so the consumer is asked after instead.
 */
export class PushSubscription implements DeliverySource {
  private subscription: Subscription | undefined;
  private probing: NodeJS.Timeout | undefined;
  private lastHeardAt = performance.now();

  constructor(
    private readonly nc: NatsConnection,
    private target: PushTarget,
    private readonly consumer: PushConsumer,
    private readonly listener: SourceListener,
  ) {}

  start(): void {
    this.reset();
    this.probing = setInterval(() => void this.probe(), PROBE_INTERVAL_MS);
  }

  topUp(): void {
    // The server decides.
  }

  reset(): void {
    this.lastHeardAt = performance.now();
    // A refused permission ends the subscription; it may have been granted since.
    if (!this.subscription || this.subscription.isClosed()) this.subscribe();
  }

  async restore(): Promise<void> {
    await this.consumer.ensure();
    if (this.probing) this.reset();
  }

  async stop(): Promise<void> {
    clearInterval(this.probing);
    this.probing = undefined;
    const { subscription } = this;
    this.subscription = undefined;
    if (subscription && !subscription.isClosed() && !this.nc.isClosed()) await subscription.drain();
  }

  async close(): Promise<void> {
    // The durable stays for the others.
  }

  get consumerName(): string {
    return this.target.consumer;
  }

  get silentMs(): number {
    return this.probing ? performance.now() - this.lastHeardAt : 0;
  }

  get isSilent(): boolean {
    return this.silentMs > SILENCE_LIMIT_MS;
  }

  private subscribe(): void {
    const { deliverSubject, queueGroup } = this.target;
    // An exception that leaves this callback would end the client's socket reader.
    this.subscription = this.nc.subscribe(deliverSubject, {
      queue: queueGroup,
      callback: (error, message) => {
        try {
          if (error) this.listener.onTrouble(error.message);
          else this.receive(message);
        } catch (thrown) {
          this.listener.onTrouble(String(thrown));
        }
      },
    });
  }

  private receive(message: Msg): void {
    this.lastHeardAt = performance.now();
    this.listener.onMessage(message);
  }

  /** Somebody made the durable anew: nothing comes on the old subject any more, and restoring changes nothing. */
  private follow({ deliver_subject: subject, deliver_group: group }: ConsumerConfig): void {
    const { deliverSubject, queueGroup } = this.target;
    if (!this.probing || (subject === deliverSubject && group === queueGroup)) return;
    if (subject === undefined || group === undefined) {
      this.listener.onTrouble('the durable delivers to no queue group any more');
      return;
    }
    this.target = { ...this.target, deliverSubject: subject, queueGroup: group };
    void this.subscription?.drain().catch(() => undefined);
    this.subscribe();
  }

  private async probe(): Promise<void> {
    try {
      const { config } = await this.consumer.info();
      this.lastHeardAt = performance.now();
      this.follow(config);
    } catch (error) {
      if (isMissing(error)) {
        this.listener.onTrouble('the consumer was deleted');
      } else if (isForbidden(error)) {
        // Whoever may not ask is not cut off for it.
        this.lastHeardAt = performance.now();
      }
      // Anything else may pass; if it does not, silence tells.
    }
  }
}

function isForbidden(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return error instanceof PermissionViolationError || cause instanceof PermissionViolationError;
}
