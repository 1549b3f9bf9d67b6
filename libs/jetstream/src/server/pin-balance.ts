import type { NatsConnection, Subscription } from '@nats-io/transport-node';
import { randomUUID } from 'node:crypto';

const HELLO_INTERVAL_MS = 1_000;
const FORGOTTEN_AFTER_MS = 3_500;

interface Member {
  readonly held: number;
  readonly seenAt: number;
}

/** What a process tells the others of itself. */
export interface OwnShare {
  /** How many partitions it holds. */
  held(): number;
  /** False while it could not serve what the others leave to it. */
  canServe(): boolean;
  /** Called every second, when shares may have changed. */
  onChange(): void;
}

/**
 * Tells the processes of an ordered durable how many partitions each of them holds, so that they can share evenly. It
 * only advises: the order rests on the server's pins, and without these messages one process merely holds more.
 */
export class PinBalance {
  private readonly id = randomUUID();
  private readonly members = new Map<string, Member>();
  private subscription: Subscription | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly nc: NatsConnection,
    private readonly subject: string,
    private readonly own: OwnShare,
  ) {}

  start(): void {
    this.subscription = this.nc.subscribe(this.subject, {
      callback: (error, message) => {
        if (!error) this.hear(message.string());
      },
    });
    this.timer = setInterval(() => {
      this.announce();
      this.own.onChange();
    }, HELLO_INTERVAL_MS);
    this.announce();
  }

  stop(): void {
    clearInterval(this.timer);
    if (!this.nc.isClosed()) this.subscription?.unsubscribe();
  }

  /** False while another process has fewer partitions and should get the next free one. */
  get mayTake(): boolean {
    return this.own.held() <= this.fewest();
  }

  /** True when another process has so few that giving one away makes the shares more even. */
  get mustGive(): boolean {
    return this.own.held() >= this.fewest() + 2;
  }

  private fewest(): number {
    const now = performance.now();
    let fewest = Number.POSITIVE_INFINITY;
    for (const [id, { held, seenAt }] of this.members) {
      if (now - seenAt > FORGOTTEN_AFTER_MS) this.members.delete(id);
      else fewest = Math.min(fewest, held);
    }
    return fewest;
  }

  private hear(text: string): void {
    const [id, held, farewell] = text.split(' ');
    if (!id || id === this.id || !(Number(held) >= 0)) return;
    if (farewell) this.members.delete(id);
    else this.members.set(id, { held: Number(held), seenAt: performance.now() });
  }

  private announce(): void {
    if (!this.nc.isClosed() && this.own.canServe())
      this.nc.publish(this.subject, `${this.id} ${this.own.held()}`);
  }
}
