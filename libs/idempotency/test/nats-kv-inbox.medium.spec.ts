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
