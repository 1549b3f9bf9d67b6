import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Controller, type Type } from '@nestjs/common';
import { createInbox, nanos, type Msg } from '@nats-io/transport-node';
import {
  EventPattern,
  TerminalError,
  type DeadLettered,
  type HandlerOptions,
  type JetStreamOptions,
} from '@slipstream/jetstream';
import { uniqueName, waitFor } from '@slipstream/testing';
import { Bystander, startTestApp, testStream, type TestApp, type TestStream } from './harness.js';

describe('the survey of streams and consumers', () => {
  let stream: TestStream;
  let durable: string;
  let bystander: Bystander;
  let apps: TestApp[];

  function handler(name: string, handle: () => unknown = () => undefined): Type {
    @Controller()
    class TestController {
      @EventPattern(stream.subject('a'), {
        durable: name,
        concurrency: 1,
        timeoutMs: 1_000,
        maxAckPending: 1,
      })
      on(): unknown {
        return handle();
      }
    }
    return TestController;
  }

  async function start(controller: Type, options: Partial<JetStreamOptions> = {}): Promise<TestApp> {
    const started = await startTestApp(stream, [controller], options);
    apps.push(started);
    return started;
  }

  const publish = async (count: number) => {
    for (let n = 0; n < count; n++) await bystander.publish(stream.subject('a'), String(n));
  };
  const positionOf = async ({ server }: TestApp, consumer: string) =>
    (await server.survey()).consumers.find((position) => position.consumer === consumer);

  beforeEach(async () => {
    stream = testStream();
    durable = uniqueName('d');
    apps = [];
    bystander = await Bystander.connect();
  });

  afterEach(async () => {
    jest.restoreAllMocks();
    await Promise.all(apps.map(({ app }) => app.close()));
    await bystander.close();
  });

  it('shows what waits for a consumer that no process runs', async () => {
    await start(handler(durable));
    await publish(3);
    await waitFor(
      'them to be handled',
      async () => (await bystander.consumer(stream.name, durable)).ack_floor.stream_seq === 3,
    );
    await apps.pop()?.app.close();
    const other = await start(handler(uniqueName('other')));
    await publish(4);
    expect(await positionOf(other, durable)).toEqual({
      stream: stream.name,
      consumer: durable,
      pending: 4,
      ackPending: 0,
      redelivered: 0,
      deliveredThrough: 3,
      settledThrough: 3,
      deliveries: 3,
      settledDeliveries: 3,
      isPaused: false,
    });
  });

  it('shows what the stream and its dead letters hold, and tells of each dead letter once', async () => {
    const letters: DeadLettered[] = [];
    const observer = {
      settled: () => undefined,
      published: () => undefined,
      deadLettered: (letter: DeadLettered) => letters.push(letter),
    };
    const app = await start(
      handler(durable, () => {
        throw new TerminalError('never');
      }),
      { observer },
    );
    const before = Date.now();
    await publish(2);
    await waitFor('the dead letters', () => letters.length === 2);
    for (const letter of letters) {
      expect(letter).toEqual({ stream: stream.name, consumer: durable, code: expect.any(String) });
    }
    const { streams } = await app.server.survey();
    expect(streams).toContainEqual(
      expect.objectContaining({
        stream: stream.name,
        messages: 2,
        lastSequence: 2,
        deadLettersOf: undefined,
      }),
    );
    const dead = streams.find(({ deadLettersOf }) => deadLettersOf === stream.name);
    expect(dead).toMatchObject({ messages: 2 });
    expect(dead?.oldestAtMs).toBeGreaterThanOrEqual(before - 1_000);
  });

  it('leaves out consumers that belong to a process', async () => {
    const app = await start(handler(durable));
    await bystander.createConsumer(stream.name, { name: 'passing', inactive_threshold: nanos(60_000) });
    const { consumers } = await app.server.survey();
    expect(
      consumers.filter((position) => position.stream === stream.name).map(({ consumer }) => consumer),
    ).toEqual([durable]);
  });

  it.each<[string, Partial<HandlerOptions>]>([
    ['a durable that was deleted', {}],
    ['one that is there only while its process reads', { delivery: 'ordered' }],
  ])('knows how far the others are without %s', async (_, options) => {
    const gone = uniqueName('gone');

    @Controller()
    class Both {
      @EventPattern(stream.subject('a'), { durable })
      onOne(): void {}

      @EventPattern(stream.subject('a'), { durable: gone, ...options })
      onOther(): void {}
    }
    const { server } = await start(Both);
    await server.pause(durable);
    await server.pause(gone);
    if (!options.delivery) await bystander.deleteConsumer(stream.name, gone);
    await waitFor(
      'the consumer to be gone',
      async () => (await bystander.consumers(stream.name)).length === 1,
    );
    await publish(2);
    const expected = [expect.objectContaining({ consumer: durable, pending: 2 })];
    expect(await server.positions()).toEqual(expected);
    const { consumers } = await server.survey();
    expect(consumers.filter((position) => position.stream === stream.name)).toEqual(expected);
    await waitFor('the watch to see the backlog', () =>
      server.liveness().some(({ consumer, pending }) => consumer === durable && pending === 2),
    );
  });

  it('finds the consumer stalled when somebody else holds all that may be unacked, and well when it lets go', async () => {
    const app = await start(handler(durable));
    const [liveness] = app.server.liveness();
    expect(liveness).toMatchObject({ consumer: durable, state: 'running', stuckMs: 0, held: 0 });
    await app.server.pause(durable);
    await publish(2);
    const stolen = await steal(bystander, stream.name, durable);
    await app.server.resume(durable);
    const judged = () => app.server.liveness().find(({ consumer }) => consumer === durable);
    await waitFor('it to be seen waiting', () => judged()?.state === 'running' && judged()?.pending === 1);
    const passTime = clock();
    // The time that passes at once is silence too, which the loop ends by asking anew.
    const isJudgedByMovement = (state: string) => {
      const { state: found, silentMs = Infinity } = judged() ?? {};
      return found === state && silentMs < 5_000;
    };
    passTime(15_000);
    await waitFor('it to be heard again, and well', () => isJudgedByMovement('running'));
    // Readiness must be red within half a minute.
    passTime(15_000);
    await waitFor('it to be found stalled', () => isJudgedByMovement('stalled'));
    stolen.respond('+ACK');
    await waitFor('it to be found well', () => judged()?.state === 'running');
    await waitFor(
      'the other message',
      async () => (await bystander.consumer(stream.name, durable)).ack_floor.stream_seq === 2,
    );
  });
});

/** Returns what moves the clock on by which the process judges how long nothing has moved, in milliseconds. */
function clock(): (ms: number) => void {
  const now = performance.now.bind(performance);
  let passedMs = 0;
  jest.spyOn(performance, 'now').mockImplementation(() => now() + passedMs);
  return (ms) => (passedMs += ms);
}

/** Takes the next message of a consumer as another process would. */
async function steal({ nc }: Bystander, stream: string, consumer: string): Promise<Msg> {
  const inbox = createInbox();
  const subscription = nc.subscribe(inbox);
  nc.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`, '{"batch":1}', { reply: inbox });
  for await (const message of subscription) return message;
  throw new Error('nothing was delivered');
}
