import type { Fingerprint, Key } from '../fingerprint.js';

/** A message that this process may work on until its lease ends. */
export interface Reservation {
  readonly messageId: string;
  /** Rises from holder to holder of a message. */
  readonly fence: number;
  /** What the store knows the reservation by; it may change when the lease is renewed. */
  token: number;
}

/** What became of the wish to reserve a message. */
export type ReserveAnswer =
  | { readonly state: 'reserved'; readonly reservation: Reservation; readonly isTakeover: boolean }
  | { readonly state: 'held' | 'done'; readonly fingerprint: Fingerprint | undefined };

/** Port of what keeps reservations. Every change is refused to who does not hold the message any more. */
export interface ReservationStore {
  /** Answers in the order of the keys. A lease that has ended is taken over. */
  reserve(consumer: string, keys: readonly Key[], leaseMs: number): Promise<ReserveAnswer[]>;
  /** @returns false when one of them is not ours any more */
  renew(consumer: string, held: readonly Reservation[], leaseMs: number): Promise<boolean>;
  /**
   * Marks as done those that are still ours. May be repeated, because its answer can be lost.
   * @returns false when one of them was not ours, nor marked by us
   */
  complete(consumer: string, held: readonly Reservation[]): Promise<boolean>;
  /** Gives back those that are still ours. */
  release(consumer: string, held: readonly Reservation[]): Promise<void>;
}
