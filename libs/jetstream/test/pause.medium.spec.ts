import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { EventPattern, JetStreamConnection, JetStreamContext, JetStreamServer } from '@slipstream/jetstream';
import { uniqueName, waitFor } from '@slipstream/testing';
import { Bystander, startTestApp, testStream, type TestApp, type TestStream } from './harness.js';

describe('a durable paused by its process', () => {
  let stream: TestStream;
  let durable: string;
  let bystander: Bystander;
  let apps: TestApp[];
  let handle: (payload: unknown, context: JetStreamContext) => unknown;

  /** Of two messages one runs and one waits. */
  async function start(): Promise<TestApp> {
    @Controller()
    class Narrow {
      @EventPattern(stream.subject('a'), { durable, concurrency: 1 })
      on(@Payload() payload: unknown, @Ctx() context: JetStreamContext): unknown {
        return handle(payload, context);
      }
    }
    const started = await startTestApp(stream, [Narrow]);
    apps.push(started);
    return started;
  }

  const publish = (body: unknown) => bystander.publish(stream.subject('a'), JSON.stringify(body));
  const position = () => bystander.consumer(stream.name, durable);
  const stateOf = ({ server }: TestApp) => server.liveness()[0]?.state;

  beforeEach(async () => {
    stream = testStream();
    durable = uniqueName('d');
    apps = [];
    bystander = await Bystander.connect();
  });

  afterEach(async () => {
    await Promise.all(apps.map(({ app }) => app.close()));
    await bystander.close();
  });

  it('lets what runs finish, gives back what waits without consuming an attempt, and goes on when resumed', async () => {
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    const seen: unknown[] = [];
    handle = async (payload, { attempt }) => {
      seen.push([payload, attempt]);
      await gate;
    };
    const started = await start();
    for (const n of [1, 2]) await publish(n);
    await waitFor('both deliveries', async () => (await position()).num_ack_pending === 2);
    await waitFor('the first to run', () => seen.length === 1);

    await started.server.pause(durable);
    expect(stateOf(started)).toBe('paused');
    expect(started.settled).toEqual([expect.objectContaining({ outcome: 'released', sequence: 2 })]);
    open();
    await waitFor('the first to end', () => started.settled.length === 2);
    await publish(3);
    await waitFor('the request to be withdrawn', async () => (await position()).num_waiting === 0);
    expect(seen).toEqual([[1, 1]]);

    await started.server.resume(durable);
    await waitFor('the rest', async () => (await position()).ack_floor.stream_seq === 3);
    expect(stateOf(started)).toBe('running');
    expect(new Set(seen)).toEqual(
      new Set([
        [1, 1],
        [2, 1],
        [3, 1],
      ]),
    );
  });

  it('can be paused by its own handler, which waits for it', async () => {
    const seen: unknown[] = [];
    handle = async (payload) => {
      seen.push(payload);
      if (payload === 'stop') await apps[0]?.app.get(JetStreamServer).pause(durable);
    };
    const started = await start();
    await publish('stop');
    await waitFor('the ack', async () => (await position()).ack_floor.stream_seq === 1);
    await publish('later');
    expect(stateOf(started)).toBe('paused');
    expect(seen).toEqual(['stop']);
  });

  it('leaves its messages to other processes', async () => {
    const seen: unknown[] = [];
    handle = (payload) => seen.push(payload);
    const [paused] = [await start(), await start()];
    await paused.server.pause(durable);
    for (let n = 0; n < 10; n++) await publish(n);
    await waitFor('the other process', () => seen.length === 10);
    expect(paused.settled).toEqual([]);
  });

  it('stays paused when the connection comes back and when the consumer was created anew', async () => {
    const seen: unknown[] = [];
    handle = (payload) => seen.push(payload);
    const started = await start();
    await started.server.pause(durable);
    const { nc } = started.app.get(JetStreamConnection);
    const statuses = nc.status()[Symbol.asyncIterator]();
    await nc.reconnect();
    await waitFor('the reconnect', async () => (await statuses.next()).value?.type === 'reconnect');
    await bystander.deleteConsumer(stream.name, durable);
    await publish(1);
    await nc.flush();
    expect(stateOf(started)).toBe('paused');
    expect(seen).toEqual([]);
    await started.server.resume(durable);
    await waitFor('the message', () => seen.length === 1);
  });

  it('ends as the last call says, however quickly the calls follow each other', async () => {
    const seen: unknown[] = [];
    handle = (payload) => seen.push(payload);
    const started = await start();
    const { server } = started;
    await Promise.all([server.pause(durable), server.resume(durable), server.pause(durable)]);
    expect(stateOf(started)).toBe('paused');
    await Promise.all([server.resume(durable), server.pause(durable), server.resume(durable)]);
    await publish(1);
    await waitFor('the message', () => seen.length === 1);
  });

  it('must exist', async () => {
    handle = () => undefined;
    const { server } = await start();
    await expect(server.pause('nobody')).rejects.toMatchObject({
      code: 'JS_UNKNOWN_DURABLE',
      message: `this process runs no durable "nobody"; it runs ${durable}`,
    });
    await expect(server.resume('nobody')).rejects.toMatchObject({ code: 'JS_UNKNOWN_DURABLE' });
  });
});
