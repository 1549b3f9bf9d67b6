import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { JetStreamConnection, type HandlerOptions, type JetStreamOptions } from '@slipstream/jetstream';
import { uniqueName, waitFor } from '@slipstream/testing';
import { HandlerScene, type Handle } from './handler-scene.js';
import { startTestApp } from './harness.js';

describe('delivery modes', () => {
  const scene = new HandlerScene();

  beforeEach(() => scene.set());

  afterEach(() => scene.clear());

  const controller = (options: Partial<HandlerOptions>, handle: Handle) =>
    scene.handler('>', options, handle);
  const start = (options: Partial<HandlerOptions>, handle: Handle, module: Partial<JetStreamOptions> = {}) =>
    scene.start(controller(options, handle), module);
  const numbers = (length: number) => Array.from({ length }, (_, index) => index);

  describe('push', () => {
    it('is the durable of the article: explicit acks, a deliver subject, a queue group', async () => {
      const root = scene.stream.name.toLowerCase();
      await start(
        { delivery: 'push', deliverSubject: `${root}.process.deliver`, queueGroup: 'order_processors' },
        () => undefined,
      );
      const { config } = await scene.position();
      expect(config).toMatchObject({
        durable_name: scene.durable,
        deliver_subject: `${root}.process.deliver`,
        deliver_group: 'order_processors',
        ack_policy: 'explicit',
        deliver_policy: 'all',
        replay_policy: 'instant',
        max_ack_pending: 1_000,
      });
    });

    it('is handed no more than maxAckPending unacked messages, all processes together', async () => {
      const { promise: gate, resolve: open } = Promise.withResolvers<void>();
      let begun = 0;
      const handle = () => {
        begun++;
        return gate;
      };
      await start({ delivery: 'push', maxAckPending: 3 }, handle);
      await start({ delivery: 'push', maxAckPending: 3 }, handle);
      await scene.publish(...numbers(10));
      await waitFor('the limit', () => begun === 3);
      const { num_ack_pending, num_pending } = await scene.position();
      expect([num_ack_pending, num_pending]).toEqual([3, 7]);
      open();
      await waitFor('the rest', () => begun === 10);
    });

    it('takes the messages of a process that dies while another lives', async () => {
      const seen: unknown[] = [];
      const options: Partial<HandlerOptions> = { delivery: 'push', ackWaitMs: 800, timeoutMs: 799 };
      let held = 0;
      const doomed = await start(
        options,
        () => {
          held++;
          return new Promise(() => undefined);
        },
        { shutdownTimeoutMs: 1 },
      );
      await scene.publish(...numbers(5));
      await waitFor('the messages', () => held === 5);
      await start(options, (payload) => seen.push(payload));
      await doomed.app.get(JetStreamConnection).nc.close();
      await waitFor('every message', () => new Set(seen).size === 5);
    });

    it('follows a durable that somebody made anew with another subject', async () => {
      const seen: unknown[] = [];
      await start({ delivery: 'push' }, (payload) => seen.push(payload));
      const { config: declared } = await scene.position();
      await scene.bystander.deleteConsumer(scene.stream.name, scene.durable);
      const deliver_subject = `${scene.stream.name}.elsewhere`;
      await scene.bystander.addConsumer(scene.stream.name, { ...declared, deliver_subject });
      await scene.publish(1);
      await waitFor('the message', () => seen.length === 1);
    });

    it('refuses to start on a durable that is pulled from, and the other way round', async () => {
      const changed: [Partial<HandlerOptions>, Partial<HandlerOptions>][] = [
        [{ delivery: 'pull' }, { delivery: 'push' }],
        [{ delivery: 'push' }, { delivery: 'pull' }],
      ];
      for (const [before, after] of changed) {
        const name = { durable: uniqueName('d') };
        await start({ ...before, ...name }, () => undefined);
        const starting = startTestApp(scene.stream, [controller({ ...after, ...name }, () => undefined)]);
        await expect(starting).rejects.toThrow(/deliver_subject .* cannot become .*; give it another name/);
      }
    });
  });

  describe('broadcast', () => {
    it('comes again from the oldest unsettled message when its consumer is lost during a retry', async () => {
      const handled: unknown[] = [];
      const seen: unknown[] = [];
      await start({ delivery: 'broadcast', backoffMs: [60_000] }, (payload, context) => {
        seen.push(payload);
        if (payload === 'slow' && seen.filter((body) => body === 'slow').length === 1) context.retry();
        else handled.push(payload);
      });
      await scene.publish('first', 'slow', 'last');
      await waitFor('all three', () => handled.length === 2 && seen.includes('slow'));
      const [consumer] = await scene.bystander.consumers(scene.stream.name);
      await scene.bystander.deleteConsumer(scene.stream.name, consumer?.name ?? '');
      await waitFor('the message whose retry was lost', () => handled.includes('slow'));
      expect(handled.filter((body) => body === 'first')).toHaveLength(1);
    });

    it('leaves no consumer behind at shutdown, and one that the server forgets after a crash', async () => {
      const first = await start({ delivery: 'broadcast' }, () => undefined);
      const [consumer] = await scene.bystander.consumers(scene.stream.name);
      expect(consumer?.config).toMatchObject({ ack_policy: 'explicit', inactive_threshold: 300e9 });
      await scene.stop(first);
      await waitFor('its end', async () => (await scene.bystander.consumers(scene.stream.name)).length === 0);
    });

    it('stores one dead letter for all processes that could not handle a message', async () => {
      const fail = () => {
        throw new Error('always');
      };
      const apps = [
        await start({ delivery: 'broadcast', maxDeliver: 1 }, fail),
        await start({ delivery: 'broadcast', maxDeliver: 1 }, fail),
      ];
      await scene.publish(1);
      await waitFor('both ends', () => apps.every(({ settled }) => settled.length === 1));
      const letters = await scene.letters();
      expect(letters.map((letter) => letter.header('dead-letter-consumer'))).toEqual([scene.durable]);
    });
  });

  it.each<[string, Partial<HandlerOptions>, RegExp]>([
    ['an unknown delivery', { delivery: 'pul' as never }, /delivery "pul" is unknown; choose pull, push/],
    [
      'a queue group on ordered',
      { delivery: 'ordered', queueGroup: 'g' },
      /queueGroup needs delivery "push" and this is "ordered"; remove it or change delivery/,
    ],
    ['a deliver subject on pull', { deliverSubject: 'x.y' }, /deliverSubject needs delivery "push"/],
    [
      'batches on ordered',
      { delivery: 'ordered', batch: { size: 2, lingerMs: 1 } },
      /batch does not go with delivery "ordered".*remove batch or use/,
    ],
    ['concurrency on ordered', { delivery: 'ordered', concurrency: 4 }, /concurrency must be 1 .* remove it/],
    ['a wildcard to deliver to', { delivery: 'push', deliverSubject: 'a.>' }, /subject without wildcards/],
    ['a group with spaces', { delivery: 'push', queueGroup: 'a b' }, /queueGroup "a b" must be a name/],
    ['a sequence of 0', { start: { sequence: 0 } }, /start must be .*it is \{"sequence":0\}/],
    ['a time that is none', { start: { time: 'soon' } }, /start must be .*it is \{"time":"soon"\}/],
    ['an unknown start', { start: 'first' as never }, /start must be all, new, last, last-per-subject/],
    ['an unknown pace', { replay: 'slow' as never }, /replay "slow" is unknown; choose instant or original/],
    ['no unacked messages', { maxAckPending: 0 }, /maxAckPending must be a whole number above 0/],
  ])('refuse to start with %s and say what to change', async (_, options, sentence) => {
    await expect(startTestApp(scene.stream, [controller(options, () => undefined)])).rejects.toThrow(
      sentence,
    );
  });

  it('refuse to start with a deliver subject that a stream would store', async () => {
    const deliverSubject = scene.stream.subject('deliver');
    await expect(
      startTestApp(scene.stream, [controller({ delivery: 'push', deliverSubject }, () => undefined)]),
    ).rejects.toThrow(`lies in stream ${scene.stream.name}; choose one outside every stream`);
  });

  it.each<[string, Partial<HandlerOptions>, RegExp]>([
    ['start', { start: 'new' }, /deliver_policy "all" cannot become "new"; give it another name/],
    ['pace', { replay: 'original' }, /replay_policy "instant" cannot become "original"/],
  ])('refuse to start with another %s than the durable has', async (_, options, sentence) => {
    await start({}, () => undefined);
    const starting = startTestApp(scene.stream, [controller(options, () => undefined)]);
    await expect(starting).rejects.toThrow(sentence);
  });

  it('let configuration choose the mode', async () => {
    await start({}, () => undefined, {
      handlers: { [scene.durable]: { delivery: 'push', queueGroup: 'blue' } },
    });
    expect((await scene.position()).config.deliver_group).toBe('blue');
  });
});
