import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import {
  InvalidHeaderError,
  InvalidMessageError,
  MessageTooLargeError,
  NoStreamError,
  PublishError,
  PublishTimeoutError,
  StreamFullError,
  StreamLacksFeatureError,
  WrongLastMessageIdError,
  WrongLastSequenceError,
  WrongStreamError,
  type OutgoingMessage,
} from '@slipstream/jetstream';
import { waitFor } from '@slipstream/testing';
import { openPublishScene, stopClock, type PublishScene } from './publish-harness.js';

describe('publish', () => {
  let scene: PublishScene;

  beforeEach(async () => {
    scene = await openPublishScene();
  });

  afterEach(async () => {
    jest.useRealTimers();
    await scene.close();
  });

  it('resolves with where the message is stored and keeps its bytes, headers and id', async () => {
    const stream = await scene.addStream();
    const headers = { 'x-tenant': 'acme', traceparent: '00-a-b-01' };
    const ack = await scene.publisher.publish(scene.message('a', { messageId: 'm/1', headers }));
    expect(ack).toMatchObject({ stream, seq: 1, duplicate: false });
    const [stored] = await scene.bystander.messages(stream);
    expect(Buffer.from(stored?.data ?? []).toString()).toBe('"a"');
    expect(['Nats-Msg-Id', 'x-tenant', 'traceparent'].map((name) => stored?.header(name))).toEqual([
      'm/1',
      'acme',
      '00-a-b-01',
    ]);
    expect(scene.published).toEqual([expect.objectContaining({ messageId: 'm/1', duplicate: false })]);
  });

  it('stores overlapping calls of one subject in the order of the calls', async () => {
    const stream = await scene.addStream();
    const acks = await Promise.all(
      Array.from({ length: 200 }, () => scene.publisher.publish(scene.message('a'))),
    );
    expect(acks.map(({ seq }) => seq)).toEqual(Array.from({ length: 200 }, (_, index) => index + 1));
    expect((await scene.manager.streams.info(stream)).state.messages).toBe(200);
  });

  describe('expectations', () => {
    it('store the message when they hold', async () => {
      const stream = await scene.addStream();
      await scene.publisher.publish(scene.message('a', { messageId: 'first' }));
      const expectation = { stream, lastSequence: 1, lastSubjectSequence: 1, lastMessageId: 'first' };
      expect(await scene.publisher.publish(scene.message('a', { expect: expectation }))).toMatchObject({
        seq: 2,
      });
    });

    it.each([
      ['lastSequence', { lastSequence: 7 }, WrongLastSequenceError, 'JS_WRONG_LAST_SEQUENCE', 10_071],
      [
        'lastSubjectSequence',
        { lastSubjectSequence: 7 },
        WrongLastSequenceError,
        'JS_WRONG_LAST_SEQUENCE',
        10_071,
      ],
      ['lastMessageId', { lastMessageId: 'x' }, WrongLastMessageIdError, 'JS_WRONG_LAST_MESSAGE_ID', 10_070],
      ['stream', { stream: 'OTHER' }, WrongStreamError, 'JS_WRONG_STREAM', 10_060],
    ] as const)(
      'refuse the message when %s does not hold',
      async (_, expectation, ErrorClass, code, serverCode) => {
        const stream = await scene.addStream();
        await scene.publisher.publish(scene.message('a'));
        const error = await scene.failure(scene.message('a', { expect: expectation }));
        expect(error).toBeInstanceOf(ErrorClass);
        expect(error).toMatchObject({ code, serverCode, stream, isRetryable: false });
        expect(error.message).toContain(error.remedy);
        expect((await scene.manager.streams.info(stream)).state.messages).toBe(1);
      },
    );

    it('tell the last sequence the server has', async () => {
      await scene.addStream();
      await scene.publisher.publish(scene.message('a'));
      expect(await scene.failure(scene.message('a', { expect: { lastSequence: 0 } }))).toMatchObject({
        lastSequence: 1,
      });
    });

    it('are not tried again after a time-out, since the server would refuse what it has stored', async () => {
      let sent = 0;
      const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>();
      scene.bystander.nc.subscribe(`${scene.root}.a`, { callback: () => arrive(void sent++) });
      await scene.bystander.nc.flush();
      stopClock();
      const failing = scene.failure(scene.message('a', { expect: { lastSequence: 0 } }));
      await arrived;
      await jest.advanceTimersByTimeAsync(5_000);
      expect(await failing).toBeInstanceOf(PublishTimeoutError);
      await scene.bystander.nc.flush();
      expect(sent).toBe(1);
    });
  });

  describe('limits', () => {
    it('of the stream refuse a larger message', async () => {
      await scene.addStream({ max_msg_size: 200 });
      const error = await scene.failure(scene.message('a', { data: Buffer.alloc(300) }));
      expect(error).toBeInstanceOf(MessageTooLargeError);
      expect(error).toMatchObject({ code: 'JS_MESSAGE_TOO_LARGE', serverCode: 10_054, isRetryable: false });
    });

    it('of the server refuse headers above 64 KiB', async () => {
      await scene.addStream();
      const error = await scene.failure(scene.message('a', { headers: { x: 'y'.repeat(70_000) } }));
      expect(error).toBeInstanceOf(MessageTooLargeError);
      expect(error.serverCode).toBe(10_097);
    });

    it.each<[number, unknown]>([
      [0, 'stored'],
      [1, 'JS_MESSAGE_TOO_LARGE'],
    ])('of the payload count to the byte: %i above', async (above, expected) => {
      await scene.addStream();
      const limit = scene.connection.nc.info?.max_payload ?? 0;
      const headers = { 'x-name': 'wert ä' };
      const framing = 'NATS/1.0\r\nx-name: wert ä\r\nNats-Msg-Id: m\r\n\r\n';
      const data = Buffer.alloc(limit - Buffer.byteLength(framing) + above);
      const message = scene.message('a', { messageId: 'm', headers, data });
      expect(scene.publisher.fits(message)).toBe(above === 0);
      const outcome = await scene.publisher.publish(message).then(
        () => 'stored',
        (error: PublishError) => error.code,
      );
      expect(outcome).toBe(expected);
      expect(scene.connection.nc.isClosed()).toBe(false);
    });

    it('of a full stream are told at once, as back-pressure', async () => {
      await scene.addStream({ max_msgs: 1, discard: 'new' as never });
      await scene.publisher.publish(scene.message('a'));
      let sent = 0;
      scene.bystander.nc.subscribe(`${scene.root}.a`, { callback: () => void sent++ });
      await scene.bystander.nc.flush();
      const error = await scene.failure(scene.message('a'));
      expect(error).toBeInstanceOf(StreamFullError);
      expect(error).toMatchObject({ code: 'JS_STREAM_FULL', serverCode: 10_077, isRetryable: true });
      await scene.bystander.nc.flush();
      expect(sent).toBe(1);
    });
  });

  it.each(['', '.', 'a.', '.a', 'a..b', 'a.*', 'a.>', 'a b', 'a\tb', 'a\r\nPUB x 0', 'a\u00A0b'])(
    'refuses the subject %j',
    async (subject) => {
      const error = await scene.failure({ subject, data: new Uint8Array() });
      expect(error).toBeInstanceOf(InvalidMessageError);
      expect(error).toMatchObject({ code: 'JS_INVALID_MESSAGE', isRetryable: false });
    },
  );

  it.each([
    ['x-a', 'b\r\nNats-Rollup: all'],
    ['x-a', 'b\n'],
    ['x-a\r\nNats-Rollup', 'all'],
    ['x a', 'b'],
    ['x:a', 'b'],
    ['', 'b'],
    ['nats-rollup', 'all'],
  ])('refuses the header %j: %j and names it', async (header, value) => {
    const error = await scene.failure(scene.message('a', { headers: { [header]: value } }));
    expect(error).toBeInstanceOf(InvalidHeaderError);
    expect(error).toMatchObject({ code: 'JS_INVALID_HEADER', header });
  });

  it.each<[string, Partial<OutgoingMessage>]>([
    ['the message id is empty', { messageId: '' }],
    ['ttlMs must be at least 1000', { ttlMs: 999 }],
    ['deliverAt and delayMs exclude each other', { deliverAt: new Date(), delayMs: 1 }],
    ['the time of delivery is invalid', { deliverAt: new Date(NaN) }],
    ['expect cannot be combined', { delayMs: 1, expect: { lastSequence: 1 } }],
  ])('refuses a message: %s', async (problem, fields) => {
    const error = await scene.failure(scene.message('a', fields));
    expect(error).toBeInstanceOf(InvalidMessageError);
    expect(error.message).toContain(problem);
  });

  it('refuses a message id with a line break', async () => {
    expect(await scene.failure(scene.message('a', { messageId: 'a\nb' }))).toMatchObject({
      header: 'Nats-Msg-Id',
    });
  });

  describe('a message TTL', () => {
    it('makes the stream forget the message', async () => {
      const stream = await scene.addStream({ allow_msg_ttl: true });
      await scene.publisher.publish(scene.message('a', { ttlMs: 1_000 }));
      await waitFor('the end of the message', async () => {
        const { state } = await scene.manager.streams.info(stream);
        return state.messages === 0 && state.last_seq === 1;
      });
    });

    it('is refused by a stream that lacks it', async () => {
      await scene.addStream();
      const error = await scene.failure(scene.message('a', { ttlMs: 1_500 }));
      expect(error).toBeInstanceOf(StreamLacksFeatureError);
      expect(error).toMatchObject({ code: 'JS_STREAM_LACKS_FEATURE', serverCode: 10_166 });
    });
  });

  describe('a time of delivery', () => {
    const subjects = () => [`${scene.root}.>`, `schedules.${scene.root.toUpperCase()}.>`];

    it.each(['delayMs', 'deliverAt'])('as %s holds the message back', async (field) => {
      const stream = await scene.addStream({ subjects: subjects(), allow_msg_schedules: true });
      const due = Date.now() + 1_200;
      const fields = field === 'delayMs' ? { delayMs: 1_200 } : { deliverAt: new Date(due) };
      await scene.publisher.publish(
        scene.message('a', { messageId: 'm/1', headers: { 'x-a': 'b' }, ...fields }),
      );
      const delivered = () => scene.manager.streams.getMessage(stream, { last_by_subj: `${scene.root}.a` });
      expect(await delivered()).toBeNull();
      const message = await waitFor('the delivery', async () => (await delivered()) ?? undefined);
      expect(message.time.getTime()).toBeGreaterThanOrEqual(due - 50);
      expect(message.string()).toBe('"a"');
      expect(message.header.get('x-a')).toBe('b');
      expect((await scene.manager.streams.info(stream)).state.messages).toBe(1);
    });

    it('says that the stream lacks schedules, which exclude discarding new messages', async () => {
      const stream = await scene.addStream({ discard: 'new' as never });
      const error = await scene.failure(scene.message('a', { delayMs: 10 }));
      expect(error).toBeInstanceOf(StreamLacksFeatureError);
      expect(error).toMatchObject({ stream, message: expect.stringMatching(/lacks allow_msg_schedules/) });
    });

    it('says that no stream holds the subject', async () => {
      expect(await scene.failure(scene.message('a', { delayMs: 10 }))).toBeInstanceOf(NoStreamError);
    });

    it('says that the stream lacks the subjects to hold messages back', async () => {
      const stream = await scene.addStream({ allow_msg_schedules: true });
      const error = await scene.failure(scene.message('a', { delayMs: 10 }));
      expect(error.message).toContain(`lacks the subjects schedules.${stream}.>`);
    });
  });
});
