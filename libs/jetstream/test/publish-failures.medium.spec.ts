import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import {
  DuplicateInProgressError,
  InsufficientResourcesError,
  JetStreamConnection,
  JetStreamDisabledError,
  JetStreamPublisher,
  NoStreamError,
  PublishConnectionClosedError,
  PublishError,
  PublishNotPermittedError,
  StreamNotFoundError,
  StreamUnavailableError,
  TooManyRequestsError,
  WrongLastSequenceError,
} from '@slipstream/jetstream';
import { natsUrl, waitFor } from '@slipstream/testing';
import { Road } from '../../outbox/test/harness.js';
import { startNatsServer } from './nats-server.js';
import { freezeClock, openPublishScene, stopClock, type PublishScene } from './publish-harness.js';

describe('publish', () => {
  let scene: PublishScene;

  beforeEach(async () => {
    scene = await openPublishScene();
  });

  afterEach(async () => {
    jest.useRealTimers();
    jest.restoreAllMocks();
    await scene.close();
  });

  describe('what may succeed in a moment', () => {
    it('includes an answer that was lost with the connection, without waiting for the time-out', async () => {
      const ids: string[] = [];
      scene.bystander.nc.subscribe(`${scene.root}.a`, {
        callback: (_, message) => {
          ids.push(message.headers?.get('Nats-Msg-Id') ?? '');
          if (ids.length === 1) void scene.connection.nc.reconnect();
          else message.respond('{"stream":"S","seq":1,"duplicate":true}');
        },
      });
      await scene.bystander.nc.flush();
      freezeClock();
      expect(await scene.publisher.publish(scene.message('a'))).toMatchObject({ seq: 1 });
      expect(ids[0]).toBe(ids[1]);
    });

    it('includes what was sent while there was no connection, without waiting for the time-out', async () => {
      const road = await Road.to(natsUrl());
      const away = await openPublishScene(road.url);
      try {
        await away.addStream();
        road.block();
        await waitFor('the loss', () => !away.connection.isConnected);
        freezeClock();
        const storing = away.publisher.publish(away.message('a'));
        road.open();
        expect(await storing).toMatchObject({ seq: 1 });
      } finally {
        await away.close();
        road.close();
      }
    });

    it('is tried three times with one message id', async () => {
      const ids = await scene.answerWith([
        { error: { code: 503, err_code: 10_008, description: 'no leader' }, stream: 'S' },
        { error: { code: 400, err_code: 10_158, description: 'duplicate message id is in process' } },
        { stream: 'S', seq: 5 },
      ]);
      expect(await scene.publisher.publish(scene.message('a'))).toMatchObject({ seq: 5, duplicate: false });
      expect(ids).toHaveLength(3);
      expect(new Set(ids).size).toBe(1);
      expect(scene.published).toHaveLength(1);
    });

    it('includes a subject whose stream appears meanwhile', async () => {
      const storing = scene.publisher.publish(scene.message('a'));
      await scene.addStream();
      expect(await storing).toMatchObject({ seq: 1 });
    });

    it('includes an answer that never came', async () => {
      const ids: string[] = [];
      const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>();
      scene.bystander.nc.subscribe(`${scene.root}.a`, {
        callback: (_, message) => {
          arrive();
          ids.push(message.headers?.get('Nats-Msg-Id') ?? '');
          if (ids.length > 1) message.respond('{"stream":"S","seq":1,"duplicate":true}');
        },
      });
      await scene.bystander.nc.flush();
      stopClock();
      const storing = scene.publisher.publish(scene.message('a'));
      await arrived;
      // The time-out, and then the pause before the next attempt.
      for (const ms of [5_000, 1_000]) await jest.advanceTimersByTimeAsync(ms);
      expect(await storing).toMatchObject({ duplicate: true });
      expect(ids[0]).toBe(ids[1]);
    });

    it('ends as NoStreamError when no stream ever holds the subject', async () => {
      const error = await scene.failure(scene.message('a', { messageId: 'm' }));
      expect(error).toBeInstanceOf(NoStreamError);
      expect(error).toMatchObject({
        code: 'JS_NO_STREAM',
        subject: `${scene.root}.a`,
        messageId: 'm',
        isRetryable: true,
      });
      expect(scene.published).toEqual([expect.objectContaining({ error })]);
    });
  });

  it.each([
    [503, 10_023, InsufficientResourcesError, true],
    [500, 10_047, InsufficientResourcesError, true],
    [500, 10_118, StreamUnavailableError, true],
    [503, 99_999, StreamUnavailableError, true],
    [429, 10_167, TooManyRequestsError, true],
    [429, 99_999, TooManyRequestsError, true],
    [400, 10_158, DuplicateInProgressError, true],
    [404, 10_059, StreamNotFoundError, false],
    [503, 10_039, JetStreamDisabledError, false],
    [400, 10_164, WrongLastSequenceError, false],
    [400, 99_999, PublishError, false],
  ])('gives the answer %i/%i a class of its own', async (code, err_code, ErrorClass, isRetryable) => {
    const ids = await scene.answerWith([{ error: { code, err_code, description: 'why' }, stream: 'S' }]);
    const error = await scene.failure(scene.message('a'));
    expect(error.constructor).toBe(ErrorClass);
    expect(error).toMatchObject({ serverCode: err_code, stream: 'S', isRetryable });
    expect(error.message).toMatch(/^publishing to ".*" failed: why\. ./);
    expect(ids).toHaveLength(isRetryable ? 3 : 1);
  });

  it.each(['hello', '{}'])('refuses %j as an answer: it is none of a stream', async (answer) => {
    scene.bystander.nc.subscribe(`${scene.root}.a`, {
      callback: (_, message) => void message.respond(answer),
    });
    await scene.bystander.nc.flush();
    expect((await scene.failure(scene.message('a'))).message).toMatch(/the answer is none of a stream/);
  });

  it('fails at once when the connection is closed', async () => {
    await scene.connection.nc.close();
    const error = await scene.failure(scene.message('a'));
    expect(error).toBeInstanceOf(PublishConnectionClosedError);
    expect(error.isRetryable).toBe(true);
  });

  it('fails what waits for an answer when the connection closes', async () => {
    scene.bystander.nc.subscribe(`${scene.root}.a`, { callback: () => void scene.connection.nc.close() });
    await scene.bystander.nc.flush();
    expect(await scene.failure(scene.message('a'))).toBeInstanceOf(PublishConnectionClosedError);
  });

  describe('without permission', () => {
    it.each([
      ['to publish', 'publish: { deny: "secret.>" }', 'secret.a'],
      ['to read answers', 'subscribe: { deny: "_INBOX.>" }', 'open.a'],
    ])('%s fails at once and names it', async (_, permissions, subject) => {
      const server = await startNatsServer(
        process.env.NATS_SERVER_BIN ?? '',
        `authorization { users: [ { user: u, password: p, permissions: { ${permissions} } } ] }`,
      );
      const options = { servers: server.url, user: 'u', pass: 'p' };
      const restricted = await JetStreamConnection.open(options, 1);
      try {
        const publisher = new JetStreamPublisher(restricted, {
          settled: () => undefined,
          published: () => undefined,
        });
        const error: unknown = await publisher
          .publish({ subject, data: new Uint8Array() })
          .catch((thrown: unknown) => thrown);
        expect(error).toBeInstanceOf(PublishNotPermittedError);
        expect(error).toMatchObject({ code: 'JS_PUBLISH_NOT_PERMITTED', isRetryable: false });
      } finally {
        await restricted.nc.close();
        await server.stop();
      }
    });
  });
});
