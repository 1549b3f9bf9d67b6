import { setTimeout as delay } from 'node:timers/promises';
import { MessageInProgressError } from '../errors.js';
import { conflict, isConflict, keysOf, type Key } from '../fingerprint.js';
import type { Inbox, MessageIdentity } from '../inbox.js';
import { SILENT, type IdempotencyObserver } from '../observer.js';
import { Completions, leaseLost } from './completions.js';
import type { Reservation, ReservationStore, ReserveAnswer } from './reservations.js';

export interface LeasedInboxOptions {
  /**
   * Milliseconds after which the message of a holder that died is taken over. Renewed while the effect runs.
   * @default 30_000
   */
  readonly leaseMs?: number;
  readonly observer?: IdempotencyObserver;
}

/** What an effect runs under. */
export interface Lease {
  /** Aborted when the lease is lost: another process may be at the message already. */
  readonly signal: AbortSignal;
  /** A number that rises from holder to holder: what is given it can refuse a late write of an earlier one. */
  fenceOf(messageId: string): number;
}

const POLL_MS = 25;
/** Below the time that the transport gives a handler by default: it ends with what it waited for, and the slot is free. */
const LONGEST_WAIT_MS = 15_000;

/**
 * Reserve, run, done. A process that dies after its effect and before "done" has the effect run again by the one that
 * takes the lease over; a process that lost its lease cannot mark the message done.
 */
export abstract class LeasedInbox implements Inbox<Lease> {
  readonly guarantee = 'may-repeat';
  private readonly leaseMs: number;
  private readonly observer: IdempotencyObserver;
  private readonly completions: Completions;

  constructor(
    private readonly store: ReservationStore,
    { leaseMs = 30_000, observer = SILENT }: LeasedInboxOptions = {},
  ) {
    this.leaseMs = leaseMs;
    this.observer = observer;
    this.completions = new Completions(store);
  }

  async once(message: MessageIdentity, effect: (lease: Lease) => Promise<void>): Promise<boolean> {
    const fresh = await this.onceEach([message], effect);
    return fresh.size > 0;
  }

  /** @throws MessageInProgressError when another process holds a message for longer than a lease, or for 15 seconds */
  async onceEach(
    messages: readonly MessageIdentity[],
    effect: (lease: Lease, fresh: ReadonlySet<string>) => Promise<void>,
  ): Promise<ReadonlySet<string>> {
    const [first] = messages;
    if (!first) return new Set();
    const held = await this.reserve(first.consumer, keysOf(messages, this.observer));
    if (held.length > 0) await this.run(first.consumer, held, effect);
    this.observer.claimed(first.consumer, { fresh: held.length, duplicates: messages.length - held.length });
    return new Set(held.map(({ messageId }) => messageId));
  }

  /** All or none: two batches that each hold what the other waits for would wait for ever. */
  private async reserve(consumer: string, keys: readonly Key[]): Promise<Reservation[]> {
    const deadline = performance.now() + Math.min(this.leaseMs, LONGEST_WAIT_MS);
    for (;;) {
      const isOurs = this.completions.includes(consumer, keys);
      const reservations = isOurs ? undefined : await this.tryReserve(consumer, keys);
      if (reservations) return reservations;
      if (performance.now() > deadline) {
        throw new MessageInProgressError(`messages of "${consumer}" have been in progress for too long`);
      }
      await delay(POLL_MS * (1 + Math.random()));
    }
  }

  /** @returns nothing while somebody holds one of them */
  private async tryReserve(consumer: string, keys: readonly Key[]): Promise<Reservation[] | undefined> {
    const answers = await this.store.reserve(consumer, keys, this.leaseMs);
    const held = answers.filter((answer) => answer.state === 'reserved');
    for (const { reservation, isTakeover } of held) {
      if (isTakeover) this.observer.tookOver({ consumer, messageId: reservation.messageId });
    }
    const reservations = held.map(({ reservation }) => reservation);
    const conflicting = keys.find((key, index) => contradicts(answers[index], key));
    if (!conflicting && answers.every(({ state }) => state !== 'held')) return reservations;
    if (reservations.length > 0) await this.store.release(consumer, reservations);
    if (conflicting) throw conflict({ consumer, messageId: conflicting.messageId }, this.observer);
    return undefined;
  }

  private async run(
    consumer: string,
    held: readonly Reservation[],
    effect: (lease: Lease, fresh: ReadonlySet<string>) => Promise<void>,
  ): Promise<void> {
    const renewal = new Renewal(() => this.store.renew(consumer, held, this.leaseMs), this.leaseMs);
    const fences = new Map(held.map(({ messageId, fence }) => [messageId, fence]));
    const lease: Lease = { signal: renewal.signal, fenceOf: (messageId) => fences.get(messageId) ?? 0 };
    try {
      await effect(lease, new Set(fences.keys()));
    } catch (error) {
      await renewal.stop();
      // What cannot be given back now is taken over when its lease ends.
      await this.store.release(consumer, held).catch(() => undefined);
      throw error;
    }
    await renewal.stop();
    await this.completions.complete(consumer, held);
  }
}

/** Keeps a lease for as long as an effect runs. */
class Renewal {
  private readonly abort = new AbortController();
  private readonly timer: NodeJS.Timeout;
  private renewedAt = performance.now();
  private current: Promise<void> | undefined;

  constructor(
    private readonly renew: () => Promise<boolean>,
    private readonly leaseMs: number,
  ) {
    this.timer = setInterval(() => {
      if (performance.now() - this.renewedAt > leaseMs) this.lose();
      this.current ??= this.attempt();
    }, leaseMs / 3);
    this.timer.unref();
  }

  get signal(): AbortSignal {
    return this.abort.signal;
  }

  /** Resolves when no renewal is under way, or none that could still matter: it would change what "done" must match. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    if (!this.current || this.abort.signal.aborted) return;
    await Promise.race([this.current, delay(this.leaseMs, undefined, { ref: false })]);
  }

  private async attempt(): Promise<void> {
    const startedAt = performance.now();
    try {
      if (await this.renew()) this.renewedAt = startedAt;
      else this.lose();
    } catch {
      // The store is away; the lease holds until it ends, and the next attempt may succeed.
    } finally {
      this.current = undefined;
    }
  }

  private lose(): void {
    clearInterval(this.timer);
    this.abort.abort(leaseLost());
  }
}

function contradicts(answer: ReserveAnswer | undefined, { fingerprint }: Key): boolean {
  return answer !== undefined && answer.state !== 'reserved' && isConflict(answer.fingerprint, fingerprint);
}
