import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, type Type } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  EventPattern,
  JetStreamConnection,
  JetStreamContext,
  type HandlerOptions,
  type JetStreamOptions,
} from '@slipstream/jetstream';
import { createInbox } from '@nats-io/transport-node';
import { uniqueName, waitFor } from '@slipstream/testing';
import { Bystander, startTestApp, testStream, type TestApp, type TestStream } from './harness.js';

type Handle = (payload: unknown, context: JetStreamContext) => unknown;

describe('delivery modes', () => {
  let stream: TestStream;
  let durable: string;
  let bystander: Bystander;
  let running: TestApp[];

  beforeEach(async () => {
    stream = testStream();
    durable = uniqueName('d');
    running = [];
    bystander = await Bystander.connect();
  });

  afterEach(async () => {
    await Promise.all(running.map(({ app }) => app.close()));
    await bystander.close();
  });

  function controller(options: Partial<HandlerOptions>, handle: Handle): Type {
    @Controller()
    class ModeController {
      @EventPattern(stream.subject('>'), { durable, ...options })
      on(@Payload() payload: unknown, @Ctx() context: JetStreamContext): unknown {
        return handle(payload, context);
      }
    }
    return ModeController;
  }

  async function start(
    options: Partial<HandlerOptions>,
    handle: Handle,
    module: Partial<JetStreamOptions> = {},
  ): Promise<TestApp> {
    const started = await startTestApp(stream, [controller(options, handle)], module);
    running.push(started);
    return started;
  }

  const publish = async (...bodies: unknown[]) => {
    for (const body of bodies) await bystander.publish(stream.subject('a'), JSON.stringify(body));
  };
  const numbers = (length: number) => Array.from({ length }, (_, index) => index);

  describe('push', () => {
    it('is the durable of the article: explicit acks, a deliver subject, a queue group', async () => {
      const root = stream.name.toLowerCase();
      await start(
        { delivery: 'push', deliverSubject: `${root}.process.deliver`, queueGroup: 'order_processors' },
        () => undefined,
      );
      const { config } = await bystander.consumer(stream.name, durable);
      expect(config).toMatchObject({
        durable_name: durable,
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
      await publish(...numbers(10));
      await waitFor('the limit', () => begun === 3);
      const { num_ack_pending, num_pending } = await bystander.consumer(stream.name, durable);
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
      await publish(...numbers(5));
      await waitFor('the messages', () => held === 5);
      await start(options, (payload) => seen.push(payload));
      await doomed.app.get(JetStreamConnection).nc.close();
      await waitFor('every message', () => new Set(seen).size === 5);
    });

    it('follows a durable that somebody made anew with another subject', async () => {
      const seen: unknown[] = [];
      await start({ delivery: 'push' }, (payload) => seen.push(payload));
      const { config: declared } = await bystander.consumer(stream.name, durable);
      await bystander.deleteConsumer(stream.name, durable);
      const deliver_subject = `${stream.name}.elsewhere`;
      await bystander.addConsumer(stream.name, { ...declared, deliver_subject });
      await publish(1);
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
        const starting = startTestApp(stream, [controller({ ...after, ...name }, () => undefined)]);
        await expect(starting).rejects.toThrow(/deliver_subject .* cannot become .*; give it another name/);
      }
    });
  });

  describe('ordered', () => {
    it('keeps the order of the stream while messages fail, connections break and consumers vanish', async () => {
      const handled: unknown[] = [];
      const failed = new Set<unknown>();
      const { app } = await start({ delivery: 'ordered', backoffMs: [20] }, (payload) => {
        if (Number(payload) % 7 === 3 && !failed.has(payload)) {
          failed.add(payload);
          throw new Error('once');
        }
        handled.push(payload);
      });
      for (const body of numbers(120)) {
        await publish(body);
        if (body % 40 === 20) await app.get(JetStreamConnection).nc.reconnect();
        if (body % 40 === 30) {
          for (const { name } of await bystander.consumers(stream.name)) {
            await bystander.deleteConsumer(stream.name, name).catch(() => undefined);
          }
        }
      }
      await waitFor('every message', () => handled.length === 120);
      expect(handled).toEqual(numbers(120));
    });

    it.each<[string, (app: TestApp) => Promise<unknown>]>([
      ['the next one shows the gap', () => publish('next')],
      ['the connection comes back', ({ app }) => app.get(JetStreamConnection).nc.reconnect()],
    ])('reads a message that was lost on its way as soon as %s', async (_, notice) => {
      const seen: unknown[] = [];
      const lost: unknown[] = [];
      const app = await start({ delivery: 'ordered' }, (payload) => seen.push(payload));
      const [consumer] = await bystander.consumers(stream.name);
      // Whoever else pulls from the consumer takes what the server then counts as delivered.
      const inbox = createInbox();
      bystander.nc.subscribe(inbox, { callback: (__, message) => void lost.push(message.json()) });
      const next = `$JS.API.CONSUMER.MSG.NEXT.${stream.name}.${consumer?.name}`;
      bystander.nc.publish(next, '{"batch":1,"expires":60000000000}', { reply: inbox });
      await bystander.nc.flush();
      for (let sent = 0; lost.length === 0; sent++) {
        await publish(sent);
        await waitFor('the message, here or there', () => seen.length + lost.length > sent);
      }
      const before = [...seen];
      await notice(app);
      await waitFor('the lost message', () => seen.includes(lost[0]));
      expect(seen.slice(0, before.length + 1)).toEqual([...before, lost[0]]);
    });

    it('waits with what follows until the message before it was handled or dead-lettered', async () => {
      const events: string[] = [];
      await start({ delivery: 'ordered', maxDeliver: 3, backoffMs: [30] }, (payload, context) => {
        events.push(`${String(payload)}/${context.attempt}`);
        if (payload === 'poison') throw new Error('always');
      });
      await publish('before', 'poison', 'after');
      await waitFor('the last', () => events.includes('after/1'));
      expect(events).toEqual(['before/1', 'poison/1', 'poison/2', 'poison/3', 'after/1']);
      expect(await bystander.messages(`${stream.name}_DLQ`)).toHaveLength(1);
    });

    it('does not skip a failed message whose dead-letter copy is refused', async () => {
      const events: unknown[] = [];
      const { settled } = await start({ delivery: 'ordered', maxDeliver: 1 }, (payload) => {
        events.push(payload);
        if (payload === 'poison') throw new Error('always');
      });
      await bystander.updateStream(`${stream.name}_DLQ`, { max_msgs: 1 });
      await bystander.publish(stream.deadLetterSubject, 'fills it');
      await publish('poison', 'after');
      await waitFor('a refused copy', () => settled.some(({ outcome }) => outcome === 'retried'));
      expect(events).toEqual(['poison']);
      await bystander.updateStream(`${stream.name}_DLQ`, { max_msgs: -1 });
      await waitFor('the next message', () => events.includes('after'));
      expect(await bystander.messages(`${stream.name}_DLQ`)).toHaveLength(2);
    }, 40_000);

    it('reads a stream that was created anew from its beginning', async () => {
      const seen: unknown[] = [];
      await start({ delivery: 'ordered' }, (payload) => seen.push(payload));
      await publish(...numbers(5));
      await waitFor('the first messages', () => seen.length === 5);
      await bystander.deleteStream(stream.name);
      await waitFor('the stream', async () => (await bystander.consumers(stream.name)).length === 1);
      await publish('again');
      await waitFor('the message', () => seen.includes('again'));
      expect(seen).toEqual([...numbers(5), 'again']);
    });

    it('leaves no consumer behind at shutdown', async () => {
      const ordered = await start({ delivery: 'ordered' }, () => undefined);
      expect(await bystander.consumers(stream.name)).toHaveLength(1);
      running.pop();
      await ordered.app.close();
      await waitFor('its end', async () => (await bystander.consumers(stream.name)).length === 0);
    });

    it('fetches ahead: a thousand messages take few requests', async () => {
      const seen: unknown[] = [];
      await start({ durable: uniqueName('other'), start: 'new' }, () => undefined);
      await Promise.all(numbers(1_000).map((body) => publish(body)));
      let requests = 0;
      bystander.nc.subscribe(`$JS.API.CONSUMER.MSG.NEXT.${stream.name}.*`, {
        callback: (_, { subject }) => void (requests += subject.includes(durable) ? 1 : 0),
      });
      await bystander.nc.flush();
      await start({ delivery: 'ordered' }, (_, { sequence }) => seen.push(sequence));
      await waitFor('every message', () => seen.length === 1_000);
      expect(seen).toEqual(numbers(1_000).map((index) => index + 1));
      expect(requests).toBeGreaterThan(0);
      expect(requests).toBeLessThan(20);
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
      await publish('first', 'slow', 'last');
      await waitFor('all three', () => handled.length === 2 && seen.includes('slow'));
      const [consumer] = await bystander.consumers(stream.name);
      await bystander.deleteConsumer(stream.name, consumer?.name ?? '');
      await waitFor('the message whose retry was lost', () => handled.includes('slow'));
      expect(handled.filter((body) => body === 'first')).toHaveLength(1);
    });

    it('leaves no consumer behind at shutdown, and one that the server forgets after a crash', async () => {
      const first = await start({ delivery: 'broadcast' }, () => undefined);
      const [consumer] = await bystander.consumers(stream.name);
      expect(consumer?.config).toMatchObject({ ack_policy: 'explicit', inactive_threshold: 300e9 });
      running.pop();
      await first.app.close();
      await waitFor('its end', async () => (await bystander.consumers(stream.name)).length === 0);
    });

    it('stores one dead letter for all processes that could not handle a message', async () => {
      const fail = () => {
        throw new Error('always');
      };
      const apps = [
        await start({ delivery: 'broadcast', maxDeliver: 1 }, fail),
        await start({ delivery: 'broadcast', maxDeliver: 1 }, fail),
      ];
      await publish(1);
      await waitFor('both ends', () => apps.every(({ settled }) => settled.length === 1));
      const letters = await bystander.messages(`${stream.name}_DLQ`);
      expect(letters.map((letter) => letter.header('dead-letter-consumer'))).toEqual([durable]);
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
    await expect(startTestApp(stream, [controller(options, () => undefined)])).rejects.toThrow(sentence);
  });

  it('refuse to start with a deliver subject that a stream would store', async () => {
    const deliverSubject = stream.subject('deliver');
    await expect(
      startTestApp(stream, [controller({ delivery: 'push', deliverSubject }, () => undefined)]),
    ).rejects.toThrow(`lies in stream ${stream.name}; choose one outside every stream`);
  });

  it.each<[string, Partial<HandlerOptions>, RegExp]>([
    ['start', { start: 'new' }, /deliver_policy "all" cannot become "new"; give it another name/],
    ['pace', { replay: 'original' }, /replay_policy "instant" cannot become "original"/],
  ])('refuse to start with another %s than the durable has', async (_, options, sentence) => {
    await start({}, () => undefined);
    const starting = startTestApp(stream, [controller(options, () => undefined)]);
    await expect(starting).rejects.toThrow(sentence);
  });

  it('let configuration choose the mode', async () => {
    await start({}, () => undefined, { handlers: { [durable]: { delivery: 'push', queueGroup: 'blue' } } });
    expect((await bystander.consumer(stream.name, durable)).config.deliver_group).toBe('blue');
  });
});
