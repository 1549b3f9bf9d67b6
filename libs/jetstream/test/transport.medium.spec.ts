import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { RetryableError, type HandlerOptions } from '@slipstream/jetstream';
import { uniqueName, waitFor } from '@slipstream/testing';
import { HandlerScene } from './handler-scene.js';
import { startTestApp } from './harness.js';
import { startNatsServer } from './nats-server.js';

const json = (value: unknown) => Buffer.from(JSON.stringify(value));

describe('JetStream transport', () => {
  const scene = new HandlerScene();

  beforeEach(() => scene.set());

  afterEach(() => scene.clear());

  it('hands a published message to the handler and acks it after the handler returned', async () => {
    const seen: unknown[] = [];
    const { publisher } = await scene.start(scene.handler('a', {}, (payload) => seen.push(payload)));
    const ack = await publisher.publish({ subject: scene.stream.subject('a'), data: json({ n: 1 }) });
    expect(ack).toMatchObject({ stream: scene.stream.name, seq: 1, duplicate: false });
    await scene.acked(1);
    expect(seen).toEqual([{ n: 1 }]);
  });

  it('routes wildcard patterns and several patterns of one handler', async () => {
    const seen: string[] = [];
    const { publisher } = await scene.start(
      scene.handler(['a.*', 'b.>'], {}, (_, { subject }) => seen.push(subject)),
    );
    for (const name of ['a.1', 'b.1.2', 'c.1']) {
      await publisher.publish({ subject: scene.stream.subject(name), data: json(1) });
    }
    await waitFor('both messages', () => seen.length === 2);
    expect(seen.toSorted()).toEqual([scene.stream.subject('a.1'), scene.stream.subject('b.1.2')]);
  });

  it('gives two handlers of one pattern a delivery each when they name different durables', async () => {
    const other = uniqueName('d');
    const seen: string[] = [];
    await scene.start([
      scene.handler('a', {}, () => seen.push(scene.durable)),
      scene.handler('a', { durable: other }, () => seen.push(other)),
    ]);
    await scene.publish(1);
    await waitFor('both handlers', () => seen.length === 2);
    expect(seen.toSorted()).toEqual([scene.durable, other].toSorted());
  });

  it('tries again after an error and stops trying once the handler succeeds', async () => {
    const attempts: number[] = [];
    await scene.start(
      scene.handler('a', { backoffMs: [10] }, (_, context) => {
        attempts.push(context.attempt);
        if (attempts.length < 3) throw new Error('not yet');
      }),
    );
    await scene.publish(1);
    await scene.acked(1);
    expect(attempts).toEqual([1, 2, 3]);
    expect(await scene.letters()).toHaveLength(0);
  });

  it('waits as long as a RetryableError asks before the next attempt', async () => {
    const times: number[] = [];
    await scene.start(
      scene.handler('a', { backoffMs: [60_000] }, () => {
        times.push(Date.now());
        if (times.length === 1) throw new RetryableError('busy', { delayMs: 300 });
      }),
    );
    await scene.publish(1);
    await waitFor('two attempts', () => times.length === 2);
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(290);
  });

  describe('shutdown', () => {
    it('lets the running handler finish and ack, and gives back what waits without consuming an attempt', async () => {
      const { promise: gate, resolve: open } = Promise.withResolvers<void>();
      const started: unknown[] = [];
      const first = await scene.start(
        scene.handler('a', { concurrency: 1 }, async (payload) => {
          started.push(payload);
          await gate;
        }),
      );
      await scene.publish(1, 2);
      await waitFor('both deliveries', async () => (await scene.position()).num_ack_pending === 2);
      await waitFor('the first to run', () => started.length === 1);
      const closing = scene.stop(first);
      await waitFor('the loop to stop', () => first.server.liveness()[0]?.state === 'stopped');
      open();
      await closing;
      expect(started).toEqual([1]);
      expect((await scene.position()).ack_floor.stream_seq).toBe(1);

      const attempts: number[] = [];
      await scene.start(scene.handler('a', {}, (_, context) => attempts.push(context.attempt)));
      // Given back, and not forgotten until the ack wait is over.
      await waitFor('the second message', () => attempts.length === 1, 20_000);
      expect(attempts).toEqual([1]);
    });
  });

  it('restores a durable that somebody deleted and goes on', async () => {
    const seen: unknown[] = [];
    await scene.start(scene.handler('a', {}, (payload) => seen.push(payload)));
    await scene.publish(1);
    await waitFor('the first message', () => seen.length === 1);
    await scene.bystander.deleteConsumer(scene.stream.name, scene.durable);
    await waitFor('the durable', () => scene.position());
    await scene.publish(2);
    await waitFor('the second message', () => seen.includes(2));
  });

  it('lets a durable gain and lose a handler from one start to the next', async () => {
    const seen: unknown[] = [];
    const on = (name: string) => scene.handler(name, {}, (payload) => seen.push(payload));
    for (const names of [['a'], ['a', 'b'], ['b']]) {
      const started = await scene.start(names.map(on));
      const before = seen.length;
      for (const name of names) {
        await started.publisher.publish({ subject: scene.stream.subject(name), data: json(name) });
      }
      await waitFor('its messages', () => seen.length === before + names.length);
      await scene.stop(started);
    }
    expect(seen).toHaveLength(4);
  });

  it('settles failures although somebody deleted the bucket that counts attempts', async () => {
    // Everybody on a server counts in the same bucket.
    const server = await startNatsServer(process.env['NATS_SERVER_BIN'] ?? 'nats-server');
    const own = new HandlerScene(() => server.url);
    await own.set();
    try {
      const attempts: number[] = [];
      await own.start(
        own.handler('a', { maxDeliver: 3, backoffMs: [10] }, (_, context) => {
          attempts.push(context.attempt);
          throw new Error('always');
        }),
      );
      await own.bystander.deleteStream('KV_slipstream_attempts');
      await own.publish(1);
      await own.firstLetter();
      expect(attempts).toEqual([1, 2, 3]);
    } finally {
      await own.clear();
      await server.stop();
    }
  });

  it('aborts a handler that runs too long and tries again', async () => {
    const attempts: number[] = [];
    const aborted: unknown[] = [];
    await scene.start(
      scene.handler('a', { timeoutMs: 50, backoffMs: [10] }, (_, context) => {
        attempts.push(context.attempt);
        if (context.attempt > 1) return undefined;
        return new Promise<void>((resolve) =>
          context.signal.addEventListener('abort', () => {
            aborted.push(context.signal.reason);
            resolve();
          }),
        );
      }),
    );
    await scene.publish(1);
    await scene.acked(1);
    expect(attempts).toEqual([1, 2]);
    expect(aborted).toEqual([expect.objectContaining({ code: 'JS_HANDLER_TIMEOUT' })]);
  });

  it.each<[string, HandlerOptions, RegExp]>([
    [
      'an ack wait shorter than the time-out',
      { durable: 'd', timeoutMs: 30_000 },
      /must be shorter than ackWaitMs/,
    ],
    ['no time', { durable: 'd', timeoutMs: 0 }, /timeoutMs must be a whole number above 0/],
    ['a durable with a dot', { durable: 'a.b' }, /durable "a\.b" must be/],
    ['no concurrency', { durable: 'd', concurrency: 0 }, /concurrency must be a whole number above 0/],
  ])('refuses to start with %s and says what to change', async (_, options, message) => {
    await expect(startTestApp(scene.stream, [scene.handler('a', options, () => undefined)])).rejects.toThrow(
      message,
    );
  });

  it.each(['Nats-Rollup', 'nats-msg-id'])('refuses to publish with the reserved header %s', async (name) => {
    const { publisher } = await scene.start([]);
    await expect(
      publisher.publish({ subject: scene.stream.subject('a'), data: json(1), headers: { [name]: 'all' } }),
    ).rejects.toThrow(/reserved for the server/);
  });

  it('stores a message published twice with one id once', async () => {
    const { publisher } = await scene.start([]);
    const message = { subject: scene.stream.subject('a'), data: json(1), messageId: 'same' };
    const first = await publisher.publish(message);
    const second = await publisher.publish(message);
    expect(second).toMatchObject({ seq: first.seq, duplicate: true });
  });
});
