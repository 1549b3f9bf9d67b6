import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ServerTooOldError, type OutgoingMessage } from '@slipstream/jetstream';
import { startNatsServer, type TestNatsServer } from './nats-server.js';
import { openPublishScene, type PublishScene } from './publish-harness.js';

const binary = process.env.NATS_LEGACY_SERVER_BIN;
const title = 'publishing to nats-server 2.10';
const describeLegacy = binary ? describe : describe.skip;

describeLegacy(binary ? title : `${title} (NATS_LEGACY_SERVER_BIN names none)`, () => {
  let server: TestNatsServer;
  let scene: PublishScene;

  beforeAll(async () => {
    server = await startNatsServer(binary ?? '');
    scene = await openPublishScene(server.url);
    await scene.addStream();
  });

  afterAll(async () => {
    await scene.close();
    await server.stop();
  });

  it('stores messages and suppresses duplicates', async () => {
    const message = scene.message('a', { messageId: 'same' });
    const { seq } = await scene.publisher.publish(message);
    expect(await scene.publisher.publish(message)).toMatchObject({ seq, duplicate: true });
  });

  it('checks expectations', async () => {
    await expect(
      scene.publisher.publish(scene.message('a', { expect: { lastSequence: 99 } })),
    ).rejects.toMatchObject({ code: 'JS_WRONG_LAST_SEQUENCE' });
  });

  it('publishes batches singly, in order', async () => {
    const { mode, acks, rejection } = await scene.publisher.publishBatch([
      scene.message('a', { messageId: 'b1' }),
      scene.message('a', { messageId: 'b2' }),
      scene.message('a', { messageId: 'b1' }),
    ]);
    expect({ mode, rejection }).toEqual({ mode: 'singles', rejection: undefined });
    expect(acks).toMatchObject([{ duplicate: false }, { duplicate: false }, { duplicate: true }]);
  });

  it.each<[string, string, Partial<OutgoingMessage>]>([
    ['a message TTL', '2.11', { ttlMs: 5_000 }],
    ['a time of delivery', '2.12', { delayMs: 5_000 }],
    ['a time of delivery', '2.12', { deliverAt: new Date(0) }],
  ])('refuses %s, which needs %s, instead of storing it without', async (feature, neededVersion, fields) => {
    const stored = async () => (await scene.manager.streams.info(scene.root.toUpperCase())).state.messages;
    const before = await stored();
    const error: unknown = await scene.publisher
      .publish(scene.message('a', fields))
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ServerTooOldError);
    expect(error).toMatchObject({ code: 'JS_SERVER_TOO_OLD', feature, neededVersion, isRetryable: false });
    expect(await stored()).toBe(before);
  });
});
