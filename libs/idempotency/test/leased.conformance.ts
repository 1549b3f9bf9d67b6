import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { LeaseLostError, MessageInProgressError, type Lease } from '@slipstream/idempotency';
import { uniqueName, waitFor } from '@slipstream/testing';
import { LeasedInbox, type LeasedInboxOptions } from '../src/leased/leased-inbox.js';
import type { ReservationStore } from '../src/leased/reservations.js';
import { recordingObserver } from './conformance.js';

export interface LeasesUnderTest {
  readonly store: ReservationStore;
  close(): Promise<void>;
}

/** Renewed three times as often: a busy machine may hold this process up for a second without taking its lease. */
const LEASE_MS = 3_000;
const LOST_LEASE_MS = 400;

class TestInbox extends LeasedInbox {
  constructor(store: ReservationStore, options: LeasedInboxOptions = {}) {
    super(store, { leaseMs: LEASE_MS, ...options });
  }
}

function renewingBy(renew: ReservationStore['renew'], store: ReservationStore): ReservationStore {
  return {
    reserve: (...parameters) => store.reserve(...parameters),
    complete: (...parameters) => store.complete(...parameters),
    release: (...parameters) => store.release(...parameters),
    renew,
  };
}

/** A store that is away until it is told to be back; it may hear what it does not answer. */
function awayStore(store: ReservationStore, { hears = false } = {}) {
  let isAway = true;
  let refused = 0;
  const complete: ReservationStore['complete'] = async (...parameters) => {
    if (!isAway) return store.complete(...parameters);
    if (hears) await store.complete(...parameters);
    refused++;
    throw new Error('the store is away');
  };
  return {
    store: { ...renewingBy((...parameters) => store.renew(...parameters), store), complete },
    comeBack: () => void (isAway = false),
    refused: () => refused,
  };
}

/** Of a process that stands still: it does not renew, but may go on later. */
function stillInbox(store: ReservationStore): TestInbox {
  const never = () => new Promise<boolean>(() => undefined);
  return new TestInbox(renewingBy(never, store), { leaseMs: LOST_LEASE_MS });
}

/** What every inbox must do that reserves, runs and marks as done. */
export function itLeases(name: string, setup: () => Promise<LeasesUnderTest>): void {
  describe(`leases in ${name}`, () => {
    let subject: LeasesUnderTest;
    let message: { consumer: string; messageId: string };
    const done = () => Promise.resolve();
    /** Runs until it is let go. */
    const startEffect = async (inbox: TestInbox) => {
      const { promise: gate, resolve: finish } = Promise.withResolvers<void>();
      const { promise: started, resolve: onStart } = Promise.withResolvers<Lease>();
      const outcome = inbox.once(message, async (lease) => {
        onStart(lease);
        await gate;
      });
      outcome.catch(() => undefined);
      return { outcome, finish, lease: await started };
    };

    beforeAll(async () => {
      subject = await setup();
    });

    beforeEach(() => {
      message = { consumer: uniqueName('c'), messageId: 'm' };
    });

    afterAll(() => subject.close());

    it('are taken over when their holder died, which is told', async () => {
      const alarms = recordingObserver();
      await startEffect(stillInbox(subject.store));
      const inbox = new TestInbox(subject.store, { observer: alarms });
      expect(await inbox.once(message, done)).toBe(true);
      expect(alarms.takeovers).toEqual(['m']);
    });

    it('once lost, do not let their former holder mark the message as done', async () => {
      const first = await startEffect(stillInbox(subject.store));
      const second = await startEffect(new TestInbox(subject.store));
      expect(second.lease.fenceOf('m')).toBeGreaterThan(first.lease.fenceOf('m'));
      first.finish();
      await expect(first.outcome).rejects.toThrow(LeaseLostError);
      const third = new TestInbox(subject.store, { leaseMs: 50 }).once(message, done);
      await expect(third).rejects.toThrow(MessageInProgressError);
      second.finish();
      expect(await second.outcome).toBe(true);
      expect(await new TestInbox(subject.store).once(message, done)).toBe(false);
    });

    it('once lost, are not given back by a former holder whose effect fails', async () => {
      const { promise: gate, resolve: finish } = Promise.withResolvers<void>();
      const { promise: started, resolve: onStart } = Promise.withResolvers<void>();
      const first = stillInbox(subject.store).once(message, async () => {
        onStart();
        await gate;
        throw new Error('the effect failed');
      });
      first.catch(() => undefined);
      await started;
      const second = await startEffect(new TestInbox(subject.store));
      finish();
      await expect(first).rejects.toThrow('the effect failed');
      second.finish();
      expect(await second.outcome).toBe(true);
      expect(await new TestInbox(subject.store).once(message, done)).toBe(false);
    });

    it('last for as long as an effect runs', async () => {
      let renewals = 0;
      const renew: ReservationStore['renew'] = async (...parameters) => {
        const isKept = await subject.store.renew(...parameters);
        renewals += 1;
        return isKept;
      };
      const first = await startEffect(new TestInbox(renewingBy(renew, subject.store)));
      await waitFor('the first lease to be over', () => renewals > 3);
      const other = new TestInbox(subject.store, { leaseMs: 50 }).once(message, done);
      await expect(other).rejects.toThrow(MessageInProgressError);
      expect(first.lease.signal.aborted).toBe(false);
      first.finish();
      expect(await first.outcome).toBe(true);
    });

    it('tell their effect when they are lost', async () => {
      const first = await startEffect(stillInbox(subject.store));
      await waitFor('the effect to be told', () => first.lease.signal.aborted);
      expect(first.lease.signal.reason).toBeInstanceOf(LeaseLostError);
      first.finish();
    });

    it.each([true, false])(
      'are not needed to say that an effect has run, however long the store is away; it heard of that: %s',
      async (hears) => {
        const away = awayStore(subject.store, { hears });
        const inbox = new TestInbox(away.store, { leaseMs: LOST_LEASE_MS });
        let effects = 0;
        const effect = () => Promise.resolve(void effects++);
        const first = inbox.once(message, effect);
        await waitFor('the store to refuse', () => away.refused() > 0);
        const copies = [inbox.once(message, effect), inbox.once(message, effect)];
        for (const copy of copies) copy.catch(() => undefined);
        await waitFor('the lease to be over', () => away.refused() * 100 > 2 * LOST_LEASE_MS);
        away.comeBack();
        expect(await first).toBe(true);
        // They have waited for a lease.
        for (const copy of copies) await expect(copy).rejects.toThrow(MessageInProgressError);
        expect(await inbox.once(message, effect)).toBe(false);
        expect(effects).toBe(1);
      },
    );

    it('keep a failed effect of a batch from holding its messages', async () => {
      const batch = ['a', 'b'].map((messageId) => ({ ...message, messageId }));
      const failing = () => Promise.reject(new Error('the effect failed'));
      await expect(new TestInbox(subject.store).onceEach(batch, failing)).rejects.toThrow('failed');
      expect(await new TestInbox(subject.store).onceEach(batch, done)).toEqual(new Set(['a', 'b']));
    });
  });
}
