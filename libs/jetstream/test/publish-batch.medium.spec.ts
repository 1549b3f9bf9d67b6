import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  InvalidHeaderError,
  MessageTooLargeError,
  NoStreamError,
  PrecedingMessageError,
  StreamFullError,
  WrongLastSequenceError,
  type OutgoingMessage,
} from '@slipstream/jetstream';
import { waitFor } from '@slipstream/testing';
import { openPublishScene, type PublishScene } from './publish-harness.js';

describe('publishBatch', () => {
  let scene: PublishScene;

  beforeEach(async () => {
    scene = await openPublishScene();
  });

  afterEach(async () => {
    await scene.close();
  });

  const messages = (...suffixes: string[]): OutgoingMessage[] =>
    suffixes.map((suffix, index) => scene.message(suffix, { messageId: `m${index}` }));
  const stored = async (stream: string) =>
    (await scene.bystander.messages(stream)).map(({ header }) => header('Nats-Msg-Id'));

  it('stores messages of one stream as one atomic batch with consecutive sequences', async () => {
    const stream = await scene.addStream({ allow_atomic: true });
    await scene.publisher.publish(scene.message('a'));
    const receipt = await scene.publisher.publishBatch(messages('a', 'b', 'a'));
    expect(receipt).toEqual({
      mode: 'atomic',
      acks: [2, 3, 4].map((sequence) => ({ stream, sequence, duplicate: false })),
    });
    expect((await stored(stream)).slice(1)).toEqual(['m0', 'm1', 'm2']);
    expect(scene.published).toHaveLength(4);
  });

  it('takes 1000 messages as one batch', async () => {
    await scene.addStream({ allow_atomic: true });
    const receipt = await scene.publisher.publishBatch(
      Array.from({ length: 1_000 }, () => scene.message('a')),
    );
    expect(receipt.mode).toBe('atomic');
    expect(receipt.acks[999]).toMatchObject({ sequence: 1_000 });
  });

  it('falls back to singles with the same ids when one id is stored already, and says which', async () => {
    const stream = await scene.addStream({ allow_atomic: true });
    await scene.publisher.publish(scene.message('a', { messageId: 'm1' }));
    const receipt = await scene.publisher.publishBatch(messages('a', 'a', 'a'));
    expect(receipt).toMatchObject({
      mode: 'singles',
      rejection: { serverCode: 10_201 },
      acks: [
        { stream, sequence: 2, duplicate: false },
        { stream, sequence: 1, duplicate: true },
        { stream, sequence: 3, duplicate: false },
      ],
    });
    const headers = (await scene.bystander.messages(stream)).map(({ header }) => header('Nats-Batch-Id'));
    expect(headers).toEqual(['', '', '']);
  });

  it('stores nothing twice when it is repeated as a whole', async () => {
    const stream = await scene.addStream({ allow_atomic: true });
    await scene.publisher.publishBatch(messages('a', 'b', 'c'));
    const { acks } = await scene.publisher.publishBatch(messages('a', 'b', 'c'));
    expect(acks).toEqual([1, 2, 3].map((sequence) => ({ stream, sequence, duplicate: true })));
  });

  it('keeps the order within each subject in a batch that fell back', async () => {
    const stream = await scene.addStream({ allow_atomic: true });
    await scene.publisher.publish(scene.message('a', { messageId: 'm499' }));
    const suffixes = Array.from({ length: 500 }, (_, index) => ['a', 'b', 'c'][index % 3] ?? 'a');
    const { mode, acks } = await scene.publisher.publishBatch(messages(...suffixes));
    expect(mode).toBe('singles');
    expect(acks).toHaveLength(500);
    const ids = (await stored(stream)).slice(1).map((id) => Number(id.slice(1)));
    expect(ids).toEqual(ids.toSorted((a, b) => a - b));
    expect(ids).toHaveLength(499);
  });

  it.each<[string, object]>([
    ['of a stream without allow_atomic', {}],
    ['of which there is only one', { allow_atomic: true }],
  ])('publishes messages %s singly', async (_, config) => {
    const stream = await scene.addStream(config);
    const batch = 'allow_atomic' in config ? messages('a') : messages('a', 'b');
    const receipt = await scene.publisher.publishBatch(batch);
    expect(receipt.mode).toBe('singles');
    expect(receipt.rejection).toBeUndefined();
    expect(await stored(stream)).toEqual(batch.map(({ messageId }) => messageId));
  });

  it('publishes messages of two streams singly', async () => {
    const name = scene.root.toUpperCase();
    for (const suffix of ['a', 'b']) {
      await scene.addStream({
        name: name + suffix,
        subjects: [`${scene.root}.${suffix}`],
        allow_atomic: true,
      });
    }
    const { mode, acks } = await scene.publisher.publishBatch(messages('a', 'b', 'a'));
    expect(mode).toBe('singles');
    expect(acks).toMatchObject(['a', 'b', 'a'].map((suffix) => ({ stream: name + suffix })));
  });

  it('notices that a stream lost allow_atomic', async () => {
    const stream = await scene.addStream({ allow_atomic: true });
    await scene.publisher.publishBatch(messages('a', 'b'));
    await scene.manager.streams.update(stream, { allow_atomic: false });
    const next = () => scene.publisher.publishBatch([scene.message('a'), scene.message('b')]);
    expect(await next()).toMatchObject({ mode: 'singles', rejection: { serverCode: 10_174 } });
    expect((await next()).rejection).toBeUndefined();
  });

  it('gives an invalid message its error and publishes its neighbours', async () => {
    const stream = await scene.addStream({ allow_atomic: true });
    const [first, second, third] = messages('a', 'b', 'c');
    const receipt = await scene.publisher.publishBatch([
      first,
      { ...second, headers: { 'Nats-Rollup': 'all' } },
      third,
    ] as OutgoingMessage[]);
    expect(receipt.mode).toBe('atomic');
    expect(receipt.acks).toEqual([
      { stream, sequence: 1, duplicate: false },
      expect.any(InvalidHeaderError),
      { stream, sequence: 2, duplicate: false },
    ]);
  });

  it('gives a message whose expectation does not hold its error and publishes its neighbours', async () => {
    const stream = await scene.addStream({ allow_atomic: true });
    const [first, second] = messages('a', 'b');
    const receipt = await scene.publisher.publishBatch([
      { ...first, expect: { lastSubjectSequence: 9 } },
      second,
    ] as OutgoingMessage[]);
    expect(receipt).toMatchObject({ mode: 'singles', rejection: { serverCode: 10_071 } });
    expect(receipt.acks[0]).toBeInstanceOf(WrongLastSequenceError);
    expect(await stored(stream)).toEqual(['m1']);
  });

  it('tells which messages a full stream still took', async () => {
    await scene.addStream({ allow_atomic: true, max_msgs: 2, discard: 'new' as never });
    const { acks } = await scene.publisher.publishBatch(messages('a', 'b', 'c'));
    expect(acks).toMatchObject([{ sequence: 1 }, { sequence: 2 }, { code: 'JS_STREAM_FULL' }]);
    expect(acks[2]).toBeInstanceOf(StreamFullError);
    expect(scene.published.map(({ error }) => error === undefined)).toEqual([true, true, false]);
  });

  it('tells of messages that no stream holds and stores the others', async () => {
    const stream = await scene.addStream({ subjects: [`${scene.root}.a`] });
    const { acks } = await scene.publisher.publishBatch(messages('a', 'nowhere', 'a'));
    expect(acks[1]).toBeInstanceOf(NoStreamError);
    expect(await stored(stream)).toEqual(['m0', 'm2']);
  });

  it('publishes singly what would exceed the payload limit as a member of a batch', async () => {
    const stream = await scene.addStream({ allow_atomic: true });
    const limit = scene.connection.nc.info?.max_payload ?? 0;
    const [first, second] = messages('a', 'b');
    const large = { ...first, data: Buffer.alloc(limit - 60) } as OutgoingMessage;
    const { mode, acks } = await scene.publisher.publishBatch([large, second as OutgoingMessage]);
    expect(mode).toBe('singles');
    expect(acks).toMatchObject([{ sequence: 1 }, { sequence: 2 }]);
    expect((await scene.manager.streams.info(stream)).state.messages).toBe(2);
  });

  it('finds what was stored when the answer to the batch is lost', async () => {
    const stream = await scene.addStream({ allow_atomic: true });
    await scene.publisher.publishBatch([scene.message('a'), scene.message('a')]);
    const publishing = scene.publisher.publishBatch(messages('a', 'b'));
    // The socket is cut with the request on its way or just answered.
    await scene.connection.nc.reconnect();
    const { acks } = await publishing;
    expect(acks).toMatchObject([{ stream }, { stream }]);
    await waitFor('all messages once', async () => (await stored(stream)).length === 4);
  });

  describe('with order keys', () => {
    const keyed = (key: string, suffix: string, messageId: string) =>
      scene.message(suffix, { messageId, orderKey: key });

    it('sends nothing of a key behind a message that failed, and all of the others', async () => {
      const stream = await scene.addStream({ subjects: [`${scene.root}.a`, `${scene.root}.b`] });
      const { acks } = await scene.publisher.publishBatch([
        keyed('1', 'a', 'm0'),
        keyed('1', 'nowhere', 'm1'),
        keyed('1', 'b', 'm2'),
        keyed('2', 'b', 'm3'),
      ]);
      expect(acks[1]).toBeInstanceOf(NoStreamError);
      expect(acks[2]).toBeInstanceOf(PrecedingMessageError);
      expect((await stored(stream)).toSorted()).toEqual(['m0', 'm3']);
    });

    it('keeps the order of each key across subjects in a batch that fell back', async () => {
      const stream = await scene.addStream({ allow_atomic: true });
      await scene.publisher.publish(scene.message('a', { messageId: 'm99' }));
      const batch = Array.from({ length: 100 }, (_, index) =>
        keyed(`${index % 3}`, `s${index % 7}`, `m${index}`),
      );
      expect(await scene.publisher.publishBatch(batch)).toMatchObject({ mode: 'singles' });
      const ids = (await stored(stream)).slice(1).map((id) => Number(id.slice(1)));
      expect(ids).toHaveLength(99);
      for (let key = 0; key < 3; key++) {
        const own = ids.filter((id) => id % 3 === key);
        expect(own).toEqual(own.toSorted((a, b) => a - b));
      }
    });

    it('passes over a message that can never be published', async () => {
      const stream = await scene.addStream({ max_msg_size: 500 });
      const { acks } = await scene.publisher.publishBatch([
        keyed('1', 'a', 'm0'),
        { ...keyed('1', 'a', 'm1'), data: Buffer.alloc(1_000) },
        keyed('1', 'a', 'm2'),
      ]);
      expect(acks[1]).toBeInstanceOf(MessageTooLargeError);
      expect(await stored(stream)).toEqual(['m0', 'm2']);
    });
  });

  it('has nothing to do for no messages', async () => {
    expect(await scene.publisher.publishBatch([])).toEqual({ mode: 'singles', acks: [] });
  });
});
