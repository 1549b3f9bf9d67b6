import { jetstream, JetStreamApiError, StorageType } from '@nats-io/jetstream';
import { Kvm, type KV, type KvEntry } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import { randomUUID } from 'node:crypto';
import type { Fingerprint, Key } from '../fingerprint.js';
import { LeasedInbox, type LeasedInboxOptions } from './leased-inbox.js';
import type { Reservation, ReservationStore, ReserveAnswer } from './reservations.js';

export interface NatsKvInboxOptions extends LeasedInboxOptions {
  /**
   * Name of the bucket; created when missing.
   * @default 'inbox'
   */
  readonly bucket?: string;
  /**
   * Milliseconds a message is remembered after it was done. Not below the longest `max_age` of the streams. Fixed when
   * the bucket is created.
   * @default 8 days
   */
  readonly retentionMs?: number;
  /** @default 1 */
  readonly replicas?: number;
}

/**
 * Remembers in a key-value bucket of NATS. A lease ends by the clock of the process that would take it over, measured
 * from the time at which the server stored it: the clocks of both must agree to well within a lease.
 */
export class NatsKvInbox extends LeasedInbox {
  static async open(
    connection: NatsConnection,
    {
      bucket = 'inbox',
      retentionMs = 8 * 24 * 60 * 60 * 1_000,
      replicas = 1,
      ...options
    }: NatsKvInboxOptions = {},
  ): Promise<NatsKvInbox> {
    const buckets = new Kvm(jetstream(connection));
    const kv = await buckets.create(bucket, {
      history: 1,
      ttl: retentionMs,
      storage: StorageType.File,
      replicas,
    });
    return new NatsKvInbox(new NatsKvReservations(kv), options);
  }
}

interface Stored {
  readonly state: 'reserved' | 'done';
  readonly fingerprint?: Fingerprint | undefined;
  readonly leaseMs: number;
  /** Of the reservation; entries of earlier releases have none, nor has what is done, which is kept for days. */
  readonly holder?: string | undefined;
  /** Of the reservation under which it was done. */
  readonly fence?: number;
}

/** A replicated bucket has an answer of its own when two writes meet. */
const WRONG_LAST_SEQUENCE = [10_071, 10_164];
/** Each attempt that fails means that another process came first, or a renewal of the same lease. */
const ATTEMPTS = 5;

export class NatsKvReservations implements ReservationStore {
  private readonly values = new WeakMap<Reservation, Stored>();

  constructor(private readonly kv: KV) {}

  async reserve(consumer: string, keys: readonly Key[], leaseMs: number): Promise<ReserveAnswer[]> {
    const results = await Promise.allSettled(keys.map((key) => this.reserveOne(consumer, key, leaseMs)));
    const failed = results.find((result) => result.status === 'rejected');
    const answers = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    if (!failed) return answers;
    // Nobody else could have those that are reserved until their lease ends.
    const held = answers.flatMap((answer) => (answer.state === 'reserved' ? [answer.reservation] : []));
    await this.release(consumer, held).catch(() => undefined);
    throw failed.reason;
  }

  renew(consumer: string, held: readonly Reservation[], leaseMs: number): Promise<boolean> {
    return this.change(consumer, held, (key, reservation) =>
      this.write(key, reservation, { ...this.valueOf(reservation), leaseMs }),
    );
  }

  complete(consumer: string, held: readonly Reservation[]): Promise<boolean> {
    return this.change(consumer, held, (key, reservation) =>
      this.write(key, reservation, {
        ...this.valueOf(reservation),
        state: 'done',
        holder: undefined,
        fence: reservation.fence,
      }),
    );
  }

  async release(consumer: string, held: readonly Reservation[]): Promise<void> {
    await this.change(consumer, held, (key, { token }) => this.kv.delete(key, { previousSeq: token }));
  }

  private async reserveOne(
    consumer: string,
    { messageId, fingerprint }: Key,
    leaseMs: number,
  ): Promise<ReserveAnswer> {
    const key = keyOf(consumer, messageId);
    // Not one of the process, which may lose a lease to itself.
    const value: Stored = { state: 'reserved', fingerprint, leaseMs, holder: randomUUID() };
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const found = await this.kv.get(key);
      const stored = found?.operation === 'PUT' ? found.json<Stored>() : undefined;
      if (found && stored && isKept(found, stored)) {
        return { state: stored.state === 'done' ? 'done' : 'held', fingerprint: stored.fingerprint };
      }
      const fence = await this.swap(key, value, found?.revision);
      if (fence === undefined) continue;
      const reservation: Reservation = { messageId, fence, token: fence };
      this.values.set(reservation, value);
      return { state: 'reserved', reservation, isTakeover: stored !== undefined };
    }
    return { state: 'held', fingerprint: undefined };
  }

  private async change(
    consumer: string,
    held: readonly Reservation[],
    apply: (key: string, reservation: Reservation) => Promise<unknown>,
  ): Promise<boolean> {
    const results = await Promise.all(
      held.map(async (reservation) => {
        const key = keyOf(consumer, reservation.messageId);
        for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
          if ((await unlessOvertaken(apply(key, reservation))).isOurs) return true;
          const ours = await this.adopt(key, reservation);
          if (ours !== 'reserved') return ours === 'done';
        }
        return false;
      }),
    );
    return results.every(Boolean);
  }

  /** A change whose answer was lost, or is under way, has moved the revision on: its holder must not lose the lease to itself. */
  private async adopt(key: string, reservation: Reservation): Promise<Stored['state'] | undefined> {
    const { holder } = this.valueOf(reservation);
    const found = await this.kv.get(key);
    if (found?.operation !== 'PUT') return undefined;
    const stored = found.json<Stored>();
    if (stored.state === 'done') return stored.fence === reservation.fence ? 'done' : undefined;
    if (holder === undefined || stored.holder !== holder) return undefined;
    reservation.token = found.revision;
    return 'reserved';
  }

  private async write(key: string, reservation: Reservation, value: Stored): Promise<void> {
    reservation.token = await this.kv.update(key, JSON.stringify(value), reservation.token);
  }

  /** @returns the revision written, or undefined when another process wrote since `revision` */
  private async swap(key: string, value: Stored, revision: number | undefined): Promise<number | undefined> {
    const text = JSON.stringify(value);
    const written = revision === undefined ? this.kv.create(key, text) : this.kv.update(key, text, revision);
    const result = await unlessOvertaken(written);
    return result.isOurs ? result.value : undefined;
  }

  private valueOf(reservation: Reservation): Stored {
    return this.values.get(reservation) ?? { state: 'reserved', leaseMs: 0 };
  }
}

/** What is done stays until the bucket drops it; a reservation until its lease ends. */
function isKept({ created }: KvEntry, { state, leaseMs }: Stored): boolean {
  return state === 'done' || created.getTime() + leaseMs > Date.now();
}

async function unlessOvertaken<Value>(
  written: Promise<Value>,
): Promise<{ isOurs: true; value: Value } | { isOurs: false }> {
  try {
    return { isOurs: true, value: await written };
  } catch (error) {
    if (error instanceof JetStreamApiError && WRONG_LAST_SEQUENCE.includes(error.code))
      return { isOurs: false };
    throw error;
  }
}

/** Keys of a bucket are made of few characters; what has others is encoded, and cannot be mistaken for what has not. */
function keyOf(consumer: string, messageId: string): string {
  return [consumer, messageId].map(encodeToken).join('.');
}

function encodeToken(text: string): string {
  return /^[\w/-]+$/.test(text) ? text : `=${Buffer.from(text).toString('base64url')}`;
}
