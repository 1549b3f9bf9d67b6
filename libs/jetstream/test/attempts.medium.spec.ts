import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DiscardPolicy, jetstreamManager, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { waitFor } from '@slipstream/testing';
import { HandlerScene } from './handler-scene.js';
import { startNatsServer, type TestNatsServer } from './nats-server.js';

const MESSAGES = ['a', 'b', 'c', 'd'];
const MAX_DELIVER = 6;

describe('attempts', () => {
  let server: TestNatsServer;
  const scene = new HandlerScene(() => server.url);

  beforeEach(async () => {
    server = await startNatsServer(process.env.NATS_SERVER_BIN ?? 'nats-server');
    await scene.set();
  });

  afterEach(async () => {
    await scene.clear();
    await server.stop();
  });

  /** A mirror answers every other direct read, as a replica does; this one takes one entry and stays behind for ever. */
  async function addLaggingCopy(): Promise<void> {
    const { nc } = scene.bystander;
    const manager = await jetstreamManager(nc);
    const bucket = await new Kvm(nc).open('slipstream_attempts', { allow_direct: true });
    await bucket.put('probe', 'old');
    await manager.streams.add({
      name: 'LAGGING',
      retention: RetentionPolicy.Limits,
      storage: StorageType.File,
      mirror: { name: 'KV_slipstream_attempts' },
      mirror_direct: true,
      max_msgs: 1,
      discard: DiscardPolicy.New,
    });
    await waitFor('the copy', async () => (await manager.streams.info('LAGGING')).state.messages === 1);
    await bucket.put('probe', 'new');
    await waitFor('an old answer', async () => (await bucket.get('probe'))?.string() === 'old');
  }

  it('are counted right although some of the copies that are asked have old counts, or none', async () => {
    const attempts = new Map<unknown, number[]>();
    const options = { maxDeliver: MAX_DELIVER, backoffMs: [5] };
    const failing = scene.handler('a', options, (payload, { attempt }) => {
      attempts.set(payload, [...(attempts.get(payload) ?? []), attempt]);
      throw new Error('always');
    });
    await scene.start(failing);
    await addLaggingCopy();
    await scene.publish(...MESSAGES);
    await waitFor('the dead letters', async () => (await scene.letters()).length === MESSAGES.length);
    const each = Array.from({ length: MAX_DELIVER }, (_, index) => index + 1);
    expect(Object.fromEntries(attempts)).toEqual(Object.fromEntries(MESSAGES.map((body) => [body, each])));
  });
});
