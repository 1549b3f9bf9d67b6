import type { Fingerprint, Key } from '../fingerprint.js';
import { LeasedInbox, type LeasedInboxOptions } from './leased-inbox.js';
import type { Reservation, ReservationStore, ReserveAnswer } from './reservations.js';

export interface MemoryInboxOptions extends LeasedInboxOptions {
  /**
   * Milliseconds a message is remembered after it was done.
   * @default 1 hour
   */
  readonly retentionMs?: number;
  /**
   * Messages remembered at most; the oldest that are done are forgotten first.
   * @default 100_000
   */
  readonly maxMessages?: number;
  /** Milliseconds that only rise: a clock that is put ahead would end all leases. @default performance.now */
  readonly clock?: () => number;
}

/** Remembers in this process alone, until it ends: for effects that are gone with the process too, such as caches. */
export class MemoryInbox extends LeasedInbox {
  constructor({ retentionMs, maxMessages, clock, ...options }: MemoryInboxOptions = {}) {
    super(new MemoryReservations(retentionMs, maxMessages, clock), options);
  }
}

interface Entry {
  readonly isDone: boolean;
  readonly fence: number;
  readonly fingerprint: Fingerprint | undefined;
  /** When the lease ends, or what is done may be forgotten. */
  until: number;
}

/** Entries are in the order in which they were last written, so the first that is done is the oldest. */
export class MemoryReservations implements ReservationStore {
  private readonly entries = new Map<string, Entry>();
  private fence = 0;

  constructor(
    private readonly retentionMs = 60 * 60 * 1_000,
    private readonly maxMessages = 100_000,
    private readonly clock: () => number = () => performance.now(),
  ) {}

  reserve(consumer: string, keys: readonly Key[], leaseMs: number): Promise<ReserveAnswer[]> {
    return Promise.resolve(keys.map((key) => this.reserveOne(consumer, key, leaseMs)));
  }

  renew(consumer: string, held: readonly Reservation[], leaseMs: number): Promise<boolean> {
    return this.change(consumer, held, (_, entry) => (entry.until = this.clock() + leaseMs));
  }

  complete(consumer: string, held: readonly Reservation[]): Promise<boolean> {
    return this.change(consumer, held, (key, entry) => {
      this.entries.delete(key);
      this.entries.set(key, { ...entry, isDone: true, until: this.clock() + this.retentionMs });
    });
  }

  async release(consumer: string, held: readonly Reservation[]): Promise<void> {
    await this.change(consumer, held, (key) => this.entries.delete(key));
  }

  private reserveOne(consumer: string, { messageId, fingerprint }: Key, leaseMs: number): ReserveAnswer {
    const now = this.clock();
    const key = keyOf(consumer, messageId);
    const found = this.entries.get(key);
    if (found && found.until > now) {
      return { state: found.isDone ? 'done' : 'held', fingerprint: found.fingerprint };
    }
    this.entries.delete(key);
    this.makeRoom(now);
    const fence = ++this.fence;
    this.entries.set(key, { isDone: false, fence, fingerprint, until: now + leaseMs });
    const isTakeover = found !== undefined && !found.isDone;
    return { state: 'reserved', reservation: { messageId, fence, token: fence }, isTakeover };
  }

  private makeRoom(now: number): void {
    if (this.entries.size < this.maxMessages) return;
    for (const [key, { isDone, until }] of this.entries) {
      if (!isDone && until > now) continue;
      this.entries.delete(key);
      return;
    }
    throw new Error(`all ${this.maxMessages} messages the inbox may hold are being worked on`);
  }

  private change(
    consumer: string,
    held: readonly Reservation[],
    apply: (key: string, entry: Entry) => void,
  ): Promise<boolean> {
    let areAllOurs = true;
    for (const { messageId, token } of held) {
      const key = keyOf(consumer, messageId);
      const entry = this.entries.get(key);
      if (entry?.fence !== token) areAllOurs = false;
      else if (!entry.isDone) apply(key, entry);
    }
    return Promise.resolve(areAllOurs);
  }
}

function keyOf(consumer: string, messageId: string): string {
  return `${consumer}\0${messageId}`;
}
