import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  EventPattern,
  JetStreamConnection,
  JetStreamContext,
  TerminalError,
  type HandlerOptions,
} from '@slipstream/jetstream';
import { uniqueName, waitFor } from '@slipstream/testing';
import { setTimeout as work } from 'node:timers/promises';
import { Bystander, startTestApp, testStream, type TestApp, type TestStream } from './harness.js';

const PARTITIONS = 4;

interface Run {
  readonly key: string;
  readonly n: number;
  readonly attempt: number;
  readonly app: number;
}

// Handlers work(): it takes time, in which others would overtake them if nothing kept the order.
describe('a handler with orderBy', () => {
  let stream: TestStream;
  let durable: string;
  let bystander: Bystander;
  let apps: TestApp[];
  let starts: Run[];
  let ends: Run[];
  let overlaps: number;
  let handle: (run: Run, context: JetStreamContext) => unknown;

  async function start(options: Partial<HandlerOptions> = {}): Promise<TestApp> {
    const app = apps.length;
    const running = new Set<string>();

    @Controller()
    class Ordered {
      @EventPattern(stream.subject('>'), {
        durable,
        orderBy: ({ subject }) => subject,
        ackWaitMs: 2_000,
        timeoutMs: 1_500,
        backoffMs: [10],
        ...options,
      })
      async on(@Payload() n: number, @Ctx() context: JetStreamContext): Promise<void> {
        const key = context.subject.slice(stream.subject('').length);
        const run = { key, n, attempt: context.attempt, app };
        if (running.has(key)) overlaps++;
        running.add(key);
        starts.push(run);
        try {
          await handle(run, context);
          ends.push(run);
        } finally {
          running.delete(key);
        }
      }
    }
    const started = await startTestApp(stream, [Ordered]);
    apps.push(started);
    return started;
  }

  async function publish(keys: number, each: number, first = 1): Promise<void> {
    const pending: Promise<unknown>[] = [];
    for (let n = first; n < first + each; n++) {
      for (let key = 0; key < keys; key++) {
        pending.push(bystander.publish(stream.subject(`k${key}`), String(n)));
      }
    }
    await Promise.all(pending);
  }

  const share = (partition: number) => bystander.consumer(stream.name, `${durable}-p${partition}`);

  async function isAllSettled(): Promise<boolean> {
    const shares = await Promise.all(Array.from({ length: PARTITIONS }, (_, index) => share(index)));
    return shares.every((info) => info.num_pending === 0 && info.num_ack_pending === 0);
  }

  /** Numbers per key, in the order in which their handling ended. */
  function order(runs: readonly Run[]): Record<string, number[]> {
    const byKey = Map.groupBy(runs, ({ key }) => key);
    return Object.fromEntries([...byKey].map(([key, members]) => [key, members.map(({ n }) => n)]));
  }

  function expected(keys: number, each: number): Record<string, number[]> {
    const numbers = Array.from({ length: each }, (_, index) => index + 1);
    return Object.fromEntries(Array.from({ length: keys }, (_, key) => [`k${key}`, numbers]));
  }

  beforeEach(async () => {
    stream = testStream();
    durable = uniqueName('d');
    [apps, starts, ends, overlaps] = [[], [], [], 0];
    handle = () => undefined;
    bystander = await Bystander.connect();
  });

  afterEach(async () => {
    await Promise.all(apps.map(({ app }) => app.close()));
    await bystander.close();
  });

  it('keeps the order of each key across retries while other keys run beside it', async () => {
    let running = 0;
    let most = 0;
    handle = async ({ n, attempt }) => {
      most = Math.max(most, ++running);
      await work(Math.random() * 4);
      running--;
      if (n % 3 === 0 && attempt < 3) throw new Error('not yet');
    };
    await start();
    await publish(12, 10);
    await waitFor('every message', () => ends.length === 120);
    expect(order(ends)).toEqual(expected(12, 10));
    expect(overlaps).toBe(0);
    expect(most).toBeGreaterThan(1);
    expect(starts.filter(({ key, n }) => key === 'k0' && n === 3).map(({ attempt }) => attempt)).toEqual([
      1, 2, 3,
    ]);
    await waitFor('the acks', isAllSettled);
  });

  it('goes on with other keys while one waits for its retry', async () => {
    handle = ({ key, n, attempt }) => {
      if (key === 'k0' && n === 1 && attempt === 1) throw new Error('later');
    };
    await start({ concurrency: 1, backoffMs: [1_000] });
    await publish(4, 5);
    await waitFor('every message', () => ends.length === 20);
    expect(ends.slice(0, 15).map(({ key }) => key)).not.toContain('k0');
    expect(order(ends)).toEqual(expected(4, 5));
  });

  it('lets a key go on after its dead letter', async () => {
    handle = ({ n }) => {
      if (n === 2) throw new TerminalError('never');
      if (n === 3) throw new Error('not in two attempts');
    };
    await start({ maxDeliver: 2 });
    await publish(1, 4);
    await waitFor('the last', () => ends.length === 2);
    expect(order(starts)).toEqual({ k0: [1, 2, 3, 3, 4] });
    const letters = await bystander.messages(`${stream.name}_DLQ`);
    expect(letters.map((letter) => letter.header('dead-letter-consumer'))).toEqual([durable, durable]);
  });

  it('dead-letters a message whose key cannot be read, and one that cannot be decoded', async () => {
    const orderBy: HandlerOptions['orderBy'] = ({ payload }) => (payload as { key: string }).key;
    await start({ orderBy });
    for (const body of ['null', '{', '{"key":"a"}']) await bystander.publish(stream.subject('a'), body);
    await waitFor('the good one', () => ends.length === 1);
    await waitFor('the others', async () => (await bystander.messages(`${stream.name}_DLQ`)).length === 2);
    const letters = await bystander.messages(`${stream.name}_DLQ`);
    expect(letters.map((letter) => letter.header('dead-letter-code')).toSorted()).toEqual([
      'JS_NO_ORDERING_KEY',
      'JS_UNDECODABLE',
    ]);
  });

  it('shares the partitions among processes, in order while they come and go', async () => {
    handle = () => work(Math.random() * 3);
    await start();
    await publish(40, 3);
    await waitFor('the first process to work', () => ends.length > 10);
    await start();
    let each = 3;
    await waitFor('both to work', async () => {
      await publish(40, 1, ++each);
      return new Set(ends.slice(-40).map(({ app }) => app)).size === 2;
    });
    await apps[0]?.app.close();
    await publish(40, 2, each + 1);
    each += 2;
    await waitFor('every message', () => ends.length === 40 * each);
    expect(order(ends)).toEqual(expected(40, each));
    expect(new Set(ends.slice(-40).map(({ app }) => app))).toEqual(new Set([1]));
  });

  it('starts again where it stopped when the connection is cut, in order', async () => {
    handle = () => work(2);
    const { app } = await start();
    await publish(8, 40);
    for (const done of [40, 100, 180]) {
      await waitFor('some work', () => ends.length > done);
      await app.get(JetStreamConnection).nc.reconnect();
    }
    await waitFor('every message', () => ends.length >= 320);
    await waitFor('the acks', isAllSettled);
    expect(order(ends)).toEqual(expected(8, 40));
  });

  it('comes back after its consumers were deleted', async () => {
    await start();
    await publish(4, 1);
    await waitFor('the first', () => ends.length === 4);
    for (let partition = 0; partition < PARTITIONS; partition++) {
      await bystander.deleteConsumer(stream.name, `${durable}-p${partition}`);
    }
    await publish(4, 1, 2);
    // A new durable begins with the stream.
    await waitFor('the later', () => ends.filter(({ n }) => n === 2).length === 4);
    for (const numbers of Object.values(order(ends))) expect(numbers).toEqual([1, 1, 2]);
  });

  it('gives everything back when paused and goes on in order when resumed', async () => {
    handle = () => work(2);
    const { server } = await start({ concurrency: 4 });
    await publish(6, 20);
    await waitFor('some work', () => ends.length > 20);
    await server.pause(durable);
    await waitFor('what runs to end', () => starts.length === ends.length);
    const before = ends.length;
    expect(server.liveness()[0]?.state).toBe('paused');
    await publish(6, 1, 21);
    expect(ends).toHaveLength(before);
    await server.resume(durable);
    await waitFor('every message', () => ends.length === 126);
    expect(order(ends)).toEqual(expected(6, 21));
    expect(starts.every(({ attempt }) => attempt === 1)).toBe(true);
  });

  it('waits for what a partition still runs when the process lost it and took it back meanwhile', async () => {
    const gate = Promise.withResolvers<void>();
    handle = async ({ key, n, attempt }) => {
      if (key !== 'k0' || n !== 1 || attempt !== 1) return;
      await gate.promise;
      throw new Error('once');
    };
    const { server } = await start();
    await publish(1, 3);
    await waitFor('the first', () => starts.length === 1);
    await server.pause(durable);
    await server.resume(durable);
    // Other keys of the partition run again: it is open.
    await publish(8, 1, 4);
    await waitFor('the other keys', () => ends.length === 7);
    gate.resolve();
    await waitFor('every message', () => ends.length === 11);
    const ofKey = starts.filter(({ key }) => key === 'k0').map(({ n, attempt }) => [n, attempt]);
    expect(ofKey.slice(0, 3)).toEqual([
      [1, 1],
      [1, 2],
      [2, expect.any(Number)],
    ]);
    expect(order(ends)['k0']).toEqual([1, 2, 3, 4]);
  });

  it('runs what may kill the process apart from everything else', async () => {
    const besides: number[] = [];
    let running = 0;
    handle = async ({ n, attempt }) => {
      running++;
      if (n === 1 && attempt > 2) besides.push(running);
      try {
        if (n === 1 && attempt < 3) {
          // What the server sees of a killed process: nothing was settled and the connection is gone.
          await apps.at(-1)?.app.get(JetStreamConnection).nc.close();
          await new Promise(() => undefined);
        }
        await work(20);
      } finally {
        running--;
      }
    };
    for (let life = 1; life <= 3; life++) {
      await start({ ackWaitMs: 600, timeoutMs: 500, maxDeliver: 3 });
      if (life === 1) await publish(1, 1);
      await waitFor(`start ${life}`, () => starts.length >= life);
      if (life === 3) break;
      running = 0;
    }
    await publish(6, 3, 2);
    await waitFor('every message', () => ends.length === 19);
    expect(besides).toEqual([1]);
  });
});
