import { createInbox, type Msg, type NatsConnection, type Subscription } from '@nats-io/transport-node';
import { readHeaders } from './headers.js';
import { PIN_GROUP } from './keyed-plan.js';

const LONGEST_HEARTBEAT_MS = 3_000;
const MAX_REQUEST_BYTES = 16 * 1024 * 1024;
/** Ends of a request that only mean: ask again. */
const ORDINARY_ENDS = /^(Batch Completed|Message Size Exceeds MaxBytes)/i;
const PIN_HEADER = 'Nats-Pin-Id';

export interface PinnedPullTarget {
  readonly stream: string;
  readonly consumer: string;
  readonly inboxPrefix: string | undefined;
  /** Milliseconds without a request after which the server gives the pin to another process. */
  readonly pinTimeoutMs: number;
}

export interface PinnedPullListener {
  onMessage(message: Msg): void;
  /** Credit came back unused. */
  onCredit(): void;
  /** The server gave the consumer to another process. */
  onPinLost(): void;
  /** The server cannot serve the consumer: deleted, moved, no JetStream, no permission. */
  onTrouble(reason: string): void;
}

/**
 * Pulls from a consumer that the server gives to one process at a time (NATS ADR-42, `pinned_client`). Without the pin
 * one request stands by; with it there is always a request, because the pin of a process that stops asking goes over.
 */
export class PinnedPull {
  private inbox = '';
  private subscription: Subscription | undefined;
  private outstanding = 0;
  private epoch = 0;
  private heardAt = performance.now();
  private askedAt = 0;
  private pin: string | undefined;

  constructor(
    private readonly nc: NatsConnection,
    private readonly target: PinnedPullTarget,
    private readonly listener: PinnedPullListener,
  ) {}

  start(): void {
    this.inbox = createInbox(this.target.inboxPrefix);
    this.outstanding = 0;
    this.subscription = this.nc.subscribe(`${this.inbox}.*`, {
      // An exception that leaves this callback would end the client's socket reader.
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

  /** What the server calls this process while it alone is served. */
  get pinId(): string | undefined {
    return this.pin;
  }

  /** Milliseconds since the server was last heard, 0 while nothing is asked of it. */
  get silentMs(): number {
    return this.outstanding > 0 ? performance.now() - this.heardAt : 0;
  }

  get isSilent(): boolean {
    return this.silentMs > 3 * LONGEST_HEARTBEAT_MS;
  }

  /** Asks for `free` messages less those already asked for; for one at least when the pin would run out otherwise. */
  topUp(free: number, window: number): void {
    if (!this.subscription || (this.outstanding > 0 && !this.pin)) return;
    const mustKeepPin = this.pin !== undefined && performance.now() - this.askedAt >= this.expiresMs;
    const missing = Math.max(free - this.outstanding, mustKeepPin ? 1 : 0);
    if (missing <= 0 || (this.outstanding > 0 && missing < window / 2 && !mustKeepPin)) return;
    if (this.outstanding === 0) this.heardAt = performance.now();
    this.outstanding += missing;
    this.askedAt = performance.now();
    this.ask(missing);
  }

  /** Forgets what was asked for, because the server did too. The pin may still be good. */
  reset(): void {
    this.epoch++;
    this.outstanding = 0;
    this.heardAt = performance.now();
    // A refused permission ends the subscription; it may have been granted since.
    if (this.subscription?.isClosed()) this.start();
  }

  /** Stands by from now on. */
  dropPin(): void {
    this.pin = undefined;
    this.reset();
  }

  /** Withdraws the interest and hands over what is still on the wire. */
  async stop(): Promise<void> {
    const { subscription } = this;
    this.subscription = undefined;
    this.outstanding = 0;
    if (subscription && !subscription.isClosed() && !this.nc.isClosed()) await subscription.drain();
  }

  private get expiresMs(): number {
    return Math.round(this.target.pinTimeoutMs / 3);
  }

  private ask(batch: number): void {
    const { stream, consumer } = this.target;
    const request = {
      batch,
      max_bytes: Math.max(MAX_REQUEST_BYTES, 2 * (this.nc.info?.max_payload ?? 0)),
      expires: this.expiresMs * 1e6,
      idle_heartbeat: Math.round(Math.min(LONGEST_HEARTBEAT_MS, this.expiresMs / 3) * 1e6),
      group: PIN_GROUP,
      ...(this.pin ? { id: this.pin } : {}),
    };
    this.nc.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`, JSON.stringify(request), {
      reply: `${this.inbox}.${this.epoch}`,
    });
  }

  private receive(message: Msg): void {
    this.heardAt = performance.now();
    if (!message.subject.startsWith(this.inbox)) {
      if (this.outstanding > 0) this.outstanding--;
      // Every message carries the pin; it is read once, since reading costs.
      this.pin ??= readHeaders(message)?.get(PIN_HEADER) || undefined;
      this.listener.onMessage(message);
      return;
    }
    const isStale = message.subject !== `${this.inbox}.${this.epoch}`;
    const code = message.headers?.code ?? 0;
    if (!isStale && code !== 100) this.endRequest(message, code);
  }

  private endRequest(message: Msg, code: number): void {
    if (code === 423) {
      this.listener.onPinLost();
      return;
    }
    const unused = message.headers?.get('Nats-Pending-Messages');
    // A request that was fulfilled leaves 0, while others go on; forgotten, they would bring more than the window.
    this.outstanding = unused ? Math.max(0, this.outstanding - Number(unused)) : 0;
    const description = message.headers?.description ?? '';
    // 404: nothing there, 408: the request expired.
    if (code === 404 || code === 408 || ORDINARY_ENDS.test(description)) this.listener.onCredit();
    else this.listener.onTrouble(`${code} ${description}`.trim());
  }
}
