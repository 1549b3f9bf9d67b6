import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { jetstream, JetStreamApiError, jetstreamManager } from '@nats-io/jetstream';
import { Kvm, type KV } from '@nats-io/kv';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { natsUrl, uniqueName } from '@slipstream/testing';
import { NatsKvReservations } from '../src/leased/nats-kv-inbox.js';

const LEASE_MS = 30_000;
const keyOf = (messageId: string) => ({ messageId, fingerprint: undefined, storedAt: 0 });

describe('reservations in NATS KV', () => {
  let connection: NatsConnection;
  let bucket: string;
  let kv: KV;

  beforeEach(async () => {
    connection = await connect({ servers: natsUrl() });
    bucket = uniqueName('inbox');
    kv = await new Kvm(jetstream(connection)).create(bucket, { history: 1 });
  });

  afterEach(async () => {
    await (await jetstreamManager(connection)).streams.delete(`KV_${bucket}`);
    await connection.close();
  });

  /** Fails to create the key of one message: a server cannot be made to do that for one of several. */
  function failing(messageId: string, error: Error): KV {
    return new Proxy(kv, {
      get(target, name) {
        if (name !== 'create') return Reflect.get(target, name).bind(target);
        return (key: string, value: string) =>
          key.endsWith(messageId) ? Promise.reject(error) : target.create(key, value);
      },
    });
  }

  /** Stores the first update, and loses the answer to it. */
  function losingAnAnswer(): KV {
    let losses = 1;
    return new Proxy(kv, {
      get(target, name) {
        if (name !== 'update') return Reflect.get(target, name).bind(target);
        return async (...parameters: Parameters<KV['update']>) => {
          const revision = await target.update(...parameters);
          if (losses-- > 0) throw new Error('connection lost');
          return revision;
        };
      },
    });
  }

  /** Has a renewal come before each of the first updates, as one does that its holder no longer waits for. */
  function renewedBefore(updates: number): KV {
    let renewals = updates;
    return new Proxy(kv, {
      get(target, name) {
        if (name !== 'update') return Reflect.get(target, name).bind(target);
        return async (...[key, value, revision]: Parameters<KV['update']>) => {
          if (renewals-- > 0) await target.update(key, (await target.get(key))?.string() ?? '', revision);
          return target.update(key, value, revision);
        };
      },
    });
  }

  /** One whose renewal was stored without its holder knowing. */
  async function reserveAndRenewUnanswered(store: NatsKvReservations, leaseMs = LEASE_MS) {
    const [answer] = await store.reserve('c', [keyOf('a')], leaseMs);
    if (answer?.state !== 'reserved') throw new Error('it is not reserved');
    await expect(store.renew('c', [answer.reservation], leaseMs)).rejects.toThrow('connection lost');
    return answer.reservation;
  }

  const stateOf = async (messageId: string) => {
    const [answer] = await new NatsKvReservations(kv).reserve('c', [keyOf(messageId)], LEASE_MS);
    return answer?.state;
  };

  it('are still renewed and completed by their holder after a renewal whose answer was lost', async () => {
    const store = new NatsKvReservations(losingAnAnswer());
    const reservation = await reserveAndRenewUnanswered(store);
    expect(await store.renew('c', [reservation], LEASE_MS)).toBe(true);
    expect(await store.complete('c', [reservation])).toBe(true);
    expect(await stateOf('a')).toBe('done');
  });

  it('are completed by their holder right after a renewal whose answer was lost', async () => {
    const store = new NatsKvReservations(losingAnAnswer());
    const reservation = await reserveAndRenewUnanswered(store);
    expect(await store.complete('c', [reservation])).toBe(true);
    expect(await stateOf('a')).toBe('done');
  });

  it('are completed by their holder while its own renewals come first', async () => {
    const store = new NatsKvReservations(renewedBefore(2));
    const [answer] = await store.reserve('c', [keyOf('a')], LEASE_MS);
    if (answer?.state !== 'reserved') throw new Error('it is not reserved');
    expect(await store.complete('c', [answer.reservation])).toBe(true);
    expect(await stateOf('a')).toBe('done');
  });

  it('are given back by their holder right after a renewal whose answer was lost', async () => {
    const store = new NatsKvReservations(losingAnAnswer());
    await store.release('c', [await reserveAndRenewUnanswered(store)]);
    expect(await stateOf('a')).toBe('reserved');
  });

  it('are not taken for those of a former holder, even when one process had both', async () => {
    const store = new NatsKvReservations(losingAnAnswer());
    const former = await reserveAndRenewUnanswered(store, 0);
    const [answer] = await store.reserve('c', [keyOf('a')], LEASE_MS);
    expect(answer).toMatchObject({ state: 'reserved', isTakeover: true });
    expect(await store.renew('c', [former], LEASE_MS)).toBe(false);
    expect(await store.complete('c', [former])).toBe(false);
    expect(await stateOf('a')).toBe('held');
  });

  it.each([
    ['reserved', 'held'],
    ['done', 'done'],
  ])('%s by the former release, which named no holder, are %s', async (state, expected) => {
    await kv.put('c.a', JSON.stringify({ state, leaseMs: LEASE_MS }));
    expect(await stateOf('a')).toBe(expected);
  });

  it.each([10_071, 10_164])('know the answer %i to a write that came second', async (err_code) => {
    const overtaken = new JetStreamApiError({ code: 400, err_code, description: 'wrong last sequence' });
    const [answer] = await new NatsKvReservations(failing('a', overtaken)).reserve(
      'c',
      [keyOf('a')],
      LEASE_MS,
    );
    expect(answer?.state).toBe('held');
  });

  it('are given back when one of those asked for together cannot be had', async () => {
    const broken = new NatsKvReservations(failing('b', new Error('no answer')));
    await expect(broken.reserve('c', [keyOf('a'), keyOf('b')], LEASE_MS)).rejects.toThrow('no answer');
    const [answer] = await new NatsKvReservations(kv).reserve('c', [keyOf('a')], LEASE_MS);
    expect(answer?.state).toBe('reserved');
  });
});
