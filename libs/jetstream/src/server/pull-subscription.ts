import { createInbox, type Msg, type NatsConnection, type Subscription } from '@nats-io/transport-node';
import type { DeliverySource, SourceListener } from './delivery-source.js';

const EXPIRES_MS = 10_000;
const HEARTBEAT_MS = 3_000;
/** Without a message or heartbeat for so long the server has forgotten the pull request. */
const SILENCE_LIMIT_MS = 3 * HEARTBEAT_MS;

/** Bytes one request may bring; more would overrun what the server buffers for a slow client. */
const MAX_REQUEST_BYTES = 16 * 1024 * 1024;
/** A third of the window, which is what runs at a time, is worth a request: so the next is always on its way. */
const REQUESTS_PER_WINDOW = 3;
/** Ends of a request that only mean: ask again. */
const ORDINARY_ENDS = /^(Batch Completed|Message Size Exceeds MaxBytes)/i;

export interface PullTarget {
  readonly stream: string;
  readonly consumer: string;
  /** First tokens of the subject that messages are sent to. */
  readonly inboxPrefix: string | undefined;
}

/**
 * Pulls as many messages as were asked for and never more (protocol: NATS ADR-37 pull consumers). The client library's
 * own `consume()` asks for the next batch as messages arrive, whether or not anybody handled them.
 */
export class PullSubscription implements DeliverySource {
  private inbox = '';
  private readonly nextSubject: string;
  private subscription: Subscription | undefined;
  private outstanding = 0;
  private epoch = 0;
  private lastHeardAt = performance.now();

  constructor(
    private readonly nc: NatsConnection,
    private readonly target: PullTarget,
    private readonly listener: SourceListener,
    private readonly ensureConsumer: () => Promise<void>,
  ) {
    const { stream, consumer } = target;
    this.nextSubject = `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`;
  }

  start(): void {
    // A request the server still knows from before would be answered too, above the window.
    this.inbox = createInbox(this.target.inboxPrefix);
    this.outstanding = 0;
    // An exception that leaves this callback would end the client's socket reader.
    this.subscription = this.nc.subscribe(`${this.inbox}.*`, {
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

  /** Milliseconds since the server was last heard, 0 while nothing is asked of it. */
  get silentMs(): number {
    return this.outstanding > 0 ? performance.now() - this.lastHeardAt : 0;
  }

  get isSilent(): boolean {
    return this.silentMs > SILENCE_LIMIT_MS;
  }

  /** Asks for `free` messages less those already asked for, when that is worth a request. */
  topUp(free: number, window: number): void {
    const missing = free - this.outstanding;
    if (!this.subscription || missing <= 0) return;
    if (this.outstanding > 0 && missing < window / REQUESTS_PER_WINDOW) return;
    if (this.outstanding === 0) this.lastHeardAt = performance.now();
    this.outstanding += missing;
    const request = {
      batch: missing,
      max_bytes: Math.max(MAX_REQUEST_BYTES, 2 * (this.nc.info?.max_payload ?? 0)),
      expires: EXPIRES_MS * 1e6,
      idle_heartbeat: HEARTBEAT_MS * 1e6,
    };
    this.nc.publish(this.nextSubject, JSON.stringify(request), { reply: `${this.inbox}.${this.epoch}` });
  }

  async restore(): Promise<void> {
    await this.ensureConsumer();
    this.reset();
  }

  /** Forgets what was asked for, because the server did too. */
  reset(): void {
    this.epoch++;
    this.outstanding = 0;
    this.lastHeardAt = performance.now();
    // A refused permission ends the subscription; it may have been granted since.
    if (this.subscription?.isClosed()) this.start();
  }

  /** Withdraws the interest and hands over what is still on the wire. */
  async stop(): Promise<void> {
    const { subscription } = this;
    this.subscription = undefined;
    this.outstanding = 0;
    // A refused permission has closed the subscription already.
    if (subscription && !subscription.isClosed() && !this.nc.isClosed()) await subscription.drain();
  }

  async close(): Promise<void> {
    // A durable stays for the others.
  }

  get consumerName(): string {
    return this.target.consumer;
  }

  private receive(message: Msg): void {
    this.lastHeardAt = performance.now();
    if (!message.subject.startsWith(this.inbox)) {
      if (this.outstanding > 0) this.outstanding--;
      this.listener.onMessage(message);
      return;
    }
    const isStale = message.subject !== `${this.inbox}.${this.epoch}`;
    const code = message.headers?.code ?? 0;
    if (isStale || code === 100) return;
    this.endRequest(message, code);
  }

  private endRequest(message: Msg, code: number): void {
    const unused = message.headers?.get('Nats-Pending-Messages');
    // A request that was fulfilled leaves 0, while others go on; forgotten, they would bring more than the window.
    this.outstanding = unused ? Math.max(0, this.outstanding - Number(unused)) : 0;
    const description = message.headers?.description ?? '';
    // 404: nothing there, 408: the request expired.
    if (code === 404 || code === 408 || ORDINARY_ENDS.test(description)) this.listener.onCredit();
    else this.listener.onTrouble(`${code} ${description}`.trim());
  }
}
