import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, type Type } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  EventPattern,
  JetStreamConnection,
  JetStreamContext,
  TerminalError,
  type DeliveryMode,
  type HandlerOptions,
  type JetStreamOptions,
  type StartPosition,
} from '@slipstream/jetstream';
import { uniqueName, waitFor } from '@slipstream/testing';
import { Bystander, startTestApp, testStream, type TestApp, type TestStream } from './harness.js';

type Handle = (payload: unknown, context: JetStreamContext) => unknown;

interface Mode {
  readonly delivery: DeliveryMode;
  /** Processes share the messages; otherwise each gets all. */
  readonly isShared: boolean;
  /** Why it by nature keeps nothing for the next process; undefined when it does. */
  readonly forgets?: string;
}

const MODES: readonly Mode[] = [
  { delivery: 'pull', isShared: true },
  { delivery: 'push', isShared: true },
  {
    delivery: 'ordered',
    isShared: false,
    forgets: 'the next process reads the stream again from its own start',
  },
  {
    delivery: 'broadcast',
    isShared: false,
    forgets: 'what a process missed concerns nobody once it is gone',
  },
];

/** Declares the suite that every delivery mode passes, against the server at `url()`. */
export function describeConformance(label: string, url: () => string): void {
  describe.each(MODES)(`delivery "$delivery" on ${label}`, (mode) => {
    let stream: TestStream;
    let durable: string;
    let bystander: Bystander;
    let running: TestApp[];

    beforeEach(async () => {
      stream = testStream();
      durable = uniqueName('d');
      running = [];
      bystander = await Bystander.connect(url());
    });

    afterEach(async () => {
      await Promise.all(running.map(({ app }) => app.close()));
      await bystander.close();
    });

    const itSurvives = mode.forgets === undefined ? it : it.skip;
    // Whoever wants batches in order is refused at start, which the suite of the modes shows.
    const itBatches = mode.delivery === 'ordered' ? it.skip : it;
    const butFor = mode.forgets === undefined ? '' : ` (by nature not: ${mode.forgets})`;

    async function start(
      handle: Handle,
      options: Partial<HandlerOptions> = {},
      module: Partial<JetStreamOptions> = {},
    ): Promise<TestApp> {
      const controller = handler(
        stream.subject('>'),
        { durable, delivery: mode.delivery, ...options },
        handle,
      );
      const started = await startTestApp(stream, [controller], { connection: { servers: url() }, ...module });
      running.push(started);
      return started;
    }

    async function stop(app: TestApp): Promise<void> {
      running.splice(running.indexOf(app), 1);
      await app.app.close();
    }

    const publish = async (...bodies: unknown[]) => {
      for (const body of bodies) await bystander.publish(stream.subject('a'), JSON.stringify(body));
    };
    const letters = () => bystander.messages(`${stream.name}_DLQ`);
    const unacked = async () => {
      const consumers = await bystander.consumers(stream.name);
      return consumers.reduce((sum, { num_ack_pending }) => sum + num_ack_pending, 0);
    };

    it('hands over payload, headers and context, and acks what was handled', async () => {
      const seen: unknown[] = [];
      const { publisher, settled } = await start((payload, context) => {
        const { subject, stream: from, consumer, sequence, attempt, messageId, pending } = context;
        const tenant = context.headers?.get('x-tenant');
        const age = Date.now() - context.timestamp.getTime();
        seen.push({ payload, subject, from, consumer, sequence, attempt, messageId, pending, tenant });
        seen.push(age < 60_000 && !context.signal.aborted);
      });
      await publisher.publish({
        subject: stream.subject('a'),
        data: Buffer.from('{"n":1}'),
        headers: { 'x-tenant': 'acme' },
      });
      await waitFor('the settlement', () => settled.length === 1);
      await waitFor('the ack', async () => (await unacked()) === 0);
      expect(seen).toEqual([
        {
          payload: { n: 1 },
          subject: stream.subject('a'),
          from: stream.name,
          consumer: durable,
          sequence: 1,
          attempt: 1,
          messageId: `${stream.name}:1`,
          pending: 0,
          tenant: 'acme',
        },
        true,
      ]);
      expect(settled[0]).toMatchObject({ consumer: durable, outcome: 'handled', attempt: 1 });
    });

    it('tries again after an error until the handler succeeds', async () => {
      const attempts: number[] = [];
      const { settled } = await start(
        (_, context) => {
          attempts.push(context.attempt);
          if (context.attempt < 4) throw new Error('not yet');
        },
        { backoffMs: [10, 10, 10] },
      );
      await publish(1);
      await waitFor('the settlement', () => settled.some(({ outcome }) => outcome === 'handled'));
      await waitFor('the ack', async () => (await unacked()) === 0);
      expect(attempts).toEqual([1, 2, 3, 4]);
      expect(await letters()).toEqual([]);
    });

    it('stores the last failure among the dead letters once and goes on', async () => {
      const seen: unknown[] = [];
      const { settled } = await start(
        (payload) => {
          if (payload === 'poison') throw new RangeError('always');
          seen.push(payload);
        },
        { maxDeliver: 3, backoffMs: [10] },
      );
      await publish('poison', 'fine');
      await waitFor('both ends', () => settled.filter(({ outcome }) => outcome !== 'retried').length === 2);
      await waitFor('the acks', async () => (await unacked()) === 0);
      const stored = await letters();
      expect(stored.map(({ data }) => Buffer.from(data).toString())).toEqual(['"poison"']);
      const header = (name: string) => stored[0]?.header(`dead-letter-${name}`);
      expect([header('class'), header('attempts'), header('consumer'), header('sequence')]).toEqual([
        'RangeError',
        '3',
        durable,
        '1',
      ]);
      expect(seen).toEqual(['fine']);
    });

    it('stores a terminal error and an undecodable message among the dead letters at once', async () => {
      const attempts: unknown[] = [];
      const { settled } = await start((payload) => {
        attempts.push(payload);
        throw new TerminalError('never');
      });
      await publish('terminal');
      await bystander.publish(stream.subject('a'), '{broken');
      await waitFor('both ends', () => settled.length === 2);
      const reasons = (await letters()).map((letter) => letter.header('dead-letter-code'));
      expect(reasons.toSorted()).toEqual(['JS_TERMINAL', 'JS_UNDECODABLE']);
      expect(attempts).toEqual(['terminal']);
    });

    it('goes on, and loses nothing, when somebody deletes the consumer', async () => {
      const seen: unknown[] = [];
      const { server } = await start((payload) => seen.push(payload), { start: 'all' });
      await publish(1);
      await waitFor('the first message', () => seen.includes(1));
      for (const { name } of await bystander.consumers(stream.name)) {
        await bystander.deleteConsumer(stream.name, name);
      }
      await publish(2);
      await waitFor('the second message', () => seen.includes(2));
      await publish(3);
      await waitFor('the third message', () => seen.includes(3));
      await waitFor('a calm loop', () => server.liveness()[0]?.state === 'running');
    });

    it('goes on, and loses nothing, when the connection is lost and comes back', async () => {
      const seen: unknown[] = [];
      // What is on the wire when the connection breaks comes again after the ack wait.
      const { app } = await start((payload) => seen.push(payload), { ackWaitMs: 1_000, timeoutMs: 999 });
      const bodies = Array.from({ length: 60 }, (_, index) => index);
      for (const body of bodies) {
        if (body % 20 === 10) await app.get(JetStreamConnection).nc.reconnect();
        await publish(body);
      }
      await waitFor('every message', () => new Set(seen).size === bodies.length);
    });

    it('keeps what it holds, running or waiting, for longer than the ack wait', async () => {
      const attempts: number[] = [];
      const { settled } = await start(
        async (_, context) => {
          attempts.push(context.attempt);
          await new Promise((resolve) => setTimeout(resolve, 1_300));
        },
        { ackWaitMs: 2_000, timeoutMs: 1_999, concurrency: 1 },
      );
      await publish(1, 2);
      await waitFor('both ends', () => settled.length === 2);
      await waitFor('the acks', async () => (await unacked()) === 0);
      expect(attempts).toEqual([1, 1]);
    });

    it(`gives ${mode.isShared ? 'each message to one' : 'every message to each'} of two processes`, async () => {
      const seen: [unknown[], unknown[]] = [[], []];
      for (const own of seen) await start((payload) => own.push(payload));
      const bodies = Array.from({ length: 40 }, (_, index) => index);
      await publish(...bodies);
      const expected = mode.isShared ? bodies.length : 2 * bodies.length;
      await waitFor('every message', () => seen.flat().length >= expected);
      await waitFor('the acks', async () => (await unacked()) === 0);
      const sorted = (payloads: unknown[]) => payloads.toSorted((a, b) => Number(a) - Number(b));
      const [both, each] = [sorted(seen.flat()), seen.map(sorted)];
      expect(mode.isShared ? [both] : each).toEqual(mode.isShared ? [bodies] : [bodies, bodies]);
    });

    it('lets a running handler finish at shutdown', async () => {
      const { promise: gate, resolve: open } = Promise.withResolvers<void>();
      const ended: unknown[] = [];
      let begun = 0;
      const first = await start(
        async (payload) => {
          begun++;
          await gate;
          ended.push(payload);
        },
        { concurrency: 1 },
      );
      await publish(1, 2, 3);
      await waitFor('the first message', () => begun === 1);
      const closing = stop(first);
      await waitFor('the stop', () => first.server.liveness()[0]?.state === 'stopped');
      open();
      await closing;
      expect(ended).toEqual([1]);
      expect(first.settled.filter(({ outcome }) => outcome === 'handled')).toHaveLength(1);
    });

    itSurvives(`gives the rest to the next process, no attempt consumed${butFor}`, async () => {
      const attempts: [unknown, number][] = [];
      const { promise: gate, resolve: open } = Promise.withResolvers<void>();
      const first = await start(() => gate, { concurrency: 1 });
      await publish(1, 2, 3);
      await waitFor('the deliveries', async () => (await unacked()) >= 2);
      const closing = stop(first);
      await waitFor('the stop', () => first.server.liveness()[0]?.state === 'stopped');
      open();
      await closing;
      await start((payload, context) => attempts.push([payload, context.attempt]));
      await waitFor('the others', () => attempts.length >= 2);
      await waitFor('the acks', async () => (await unacked()) === 0);
      const byPayload = attempts.toSorted(([a], [b]) => Number(a) - Number(b));
      expect(byPayload).toEqual([
        [2, 1],
        [3, 1],
      ]);
    });

    itSurvives(`gives what a killed process held to the next one${butFor}`, async () => {
      const seen: unknown[] = [];
      const options = { ackWaitMs: 700, timeoutMs: 699 };
      let begun = 0;
      const first = await start(
        () => {
          begun++;
          return new Promise(() => undefined);
        },
        options,
        { shutdownTimeoutMs: 1 },
      );
      await publish(1);
      await waitFor('the message', () => begun === 1);
      // What the server sees of a killed process: the connection is gone and nothing was settled.
      await first.app.get(JetStreamConnection).nc.close();
      await start((payload, context) => seen.push([payload, context.attempt]), options);
      await waitFor('the message again', () => seen.length === 1);
      expect(seen).toEqual([[1, 2]]);
    });

    it('takes nothing while it is paused and loses nothing over it', async () => {
      const seen: unknown[] = [];
      const { server } = await start((payload) => seen.push(payload));
      await publish(1);
      await waitFor('the first message', () => seen.length === 1);
      await server.pause(durable);
      await publish(2, 3);
      await waitFor('a paused loop', () => server.liveness()[0]?.state === 'paused');
      expect(seen).toEqual([1]);
      await server.resume(durable);
      await waitFor('the others', () => seen.length === 3);
      expect(seen.toSorted()).toEqual([1, 2, 3]);
    });

    itBatches('isolates the poison member of a batch, and handles its neighbours', async () => {
      const handled: unknown[] = [];
      const { settled } = await start(
        (payloads) => {
          if ((payloads as unknown[]).includes(3)) throw new Error('poison');
          handled.push(...(payloads as unknown[]));
        },
        { maxDeliver: 1, batch: { size: 4, lingerMs: 50 } },
      );
      await publish(1, 2, 3, 4);
      await waitFor('every end', () => settled.length === 4);
      await waitFor('the acks', async () => (await unacked()) === 0);
      expect(handled.toSorted()).toEqual([1, 2, 4]);
      expect((await letters()).map(({ data }) => Buffer.from(data).toString())).toEqual(['3']);
    });

    it('runs the processing hooks once for each attempt', async () => {
      const hooks: string[] = [];
      const { server, settled } = await start(
        (_, context) => {
          if (context.attempt === 1) throw new Error('first attempt');
        },
        { backoffMs: [10] },
      );
      server.setOnProcessingStartHook((_, __, done) => {
        hooks.push('start');
        void done();
      });
      server.setOnProcessingEndHook(() => hooks.push('end'));
      await publish(1);
      await waitFor('the end', () => settled.length === 2);
      expect(hooks).toEqual(['start', 'end', 'start', 'end']);
    });

    it('tells its state, its position and its connection', async () => {
      const { app, server } = await start(() => undefined);
      const states: string[] = [];
      const subscription = server.status.subscribe((status) => states.push(status));
      expect(server.unwrap()).toBe(app.get(JetStreamConnection).nc);
      expect(server.liveness()).toContainEqual(
        expect.objectContaining({ stream: stream.name, consumer: durable, state: 'running' }),
      );
      await publish(1);
      await waitFor('nothing pending', async () => {
        const [position] = await server.positions();
        return position?.consumer === durable && position.pending === 0 && position.ackPending === 0;
      });
      await stop(running[0] as TestApp);
      subscription.unsubscribe();
      expect(states).toEqual(['listening', 'closed']);
    });

    it.each<[string, (times: Date[]) => StartPosition, unknown[]]>([
      ['all', () => 'all', ['a1', 'a2', 'b1', 'b2', 'later']],
      ['new', () => 'new', ['later']],
      ['last', () => 'last', ['b2', 'later']],
      ['last-per-subject', () => 'last-per-subject', ['a2', 'b2', 'later']],
      ['a sequence', () => ({ sequence: 3 }), ['b1', 'b2', 'later']],
      ['a time', (times) => ({ time: times[3] ?? new Date() }), ['b2', 'later']],
    ])('starts at %s when it is told to', async (_, position, expected) => {
      const seen: unknown[] = [];
      await stop(await start(() => undefined, { durable: uniqueName('d'), start: 'new' }));
      const times: Date[] = [];
      for (const body of ['a1', 'a2', 'b1', 'b2']) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        times.push(new Date());
        await bystander.publish(stream.subject(body.charAt(0)), JSON.stringify(body));
      }
      const options = { start: position(times), concurrency: 1 };
      const first = await start((payload) => seen.push(payload), options);
      await publish('later');
      await waitFor('the last message', () => seen.includes('later'));
      expect(seen).toEqual(expected);
      if (!mode.isShared) return;
      await stop(first);
      // The same declaration finds the same durable at its next start, and goes on where it was.
      await start((payload) => seen.push(payload), options);
      await publish('at last');
      await waitFor('the next message', () => seen.includes('at last'));
      expect(seen).toEqual([...expected, 'at last']);
    });

    it('replays at the original pace when it is told to', async () => {
      const stored: number[] = [];
      const seen: number[] = [];
      await stop(await start(() => undefined, { durable: uniqueName('d'), start: 'new' }));
      await publish(1);
      await new Promise((resolve) => setTimeout(resolve, 400));
      await publish(2);
      await start(
        (_, context) => {
          stored.push(context.timestamp.getTime());
          seen.push(Date.now());
        },
        { start: 'all', replay: 'original' },
      );
      await waitFor('both messages', () => seen.length === 2);
      const pace = ([first = 0, second = 0]: number[]) => second - first;
      // The first may be late under load, which shortens the wait for the second.
      expect(pace(seen)).toBeGreaterThan(pace(stored) / 2);
    });
  });
}

function handler(pattern: string, options: HandlerOptions, handle: Handle): Type {
  @Controller()
  class ConformanceController {
    @EventPattern(pattern, options)
    on(@Payload() payload: never, @Ctx() context: never): unknown {
      return handle(payload, context);
    }
  }
  return ConformanceController;
}
