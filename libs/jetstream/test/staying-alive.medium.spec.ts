import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Controller, type Type } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  EventPattern,
  JetStreamClient,
  JetStreamContext,
  ServerTooOldError,
  StreamLacksFeatureError,
  type HandlerOptions,
  type JetStreamOptions,
} from '@slipstream/jetstream';
import { natsUrl, uniqueName, waitFor } from '@slipstream/testing';
import { setTimeout as work } from 'node:timers/promises';
import { FragileLink } from './fragile-link.js';
import { Bystander, startTestApp, testStream, type TestApp, type TestStream } from './harness.js';
import { startNatsServer, type TestNatsServer } from './nats-server.js';
import { Traffic } from './traffic.js';

type Handle = (payload: unknown, context: JetStreamContext) => unknown;

function handler(pattern: string, options: HandlerOptions, handle: Handle): Type {
  @Controller()
  class TestController {
    @EventPattern(pattern, options)
    on(@Payload() payload: never, @Ctx() context: never): unknown {
      return handle(payload, context);
    }
  }
  return TestController;
}

// Handlers work(): how long they hold messages is what the tests are about.
/** A busy machine may hold this process up for two seconds between two extensions. */
const PATIENT = { ackWaitMs: 3_000, timeoutMs: 2_999 };

describe('a consumer', () => {
  let stream: TestStream;
  let durable: string;
  let bystander: Bystander;
  let own: TestNatsServer | undefined;
  let link: FragileLink | undefined;
  let apps: TestApp[];

  async function start(controller: Type, options: Partial<JetStreamOptions> = {}): Promise<TestApp> {
    const connection = own && { connection: { servers: own.url } };
    const started = await startTestApp(stream, [controller], { ...connection, ...options });
    apps.push(started);
    return started;
  }

  async function closeApp(): Promise<void> {
    await apps.pop()?.app.close();
  }

  async function startOwnServer(
    binary = process.env['NATS_SERVER_BIN'] ?? 'nats-server',
  ): Promise<TestNatsServer> {
    own = await startNatsServer(binary);
    await bystander.close();
    bystander = await Bystander.connect(own.url);
    return own;
  }

  const position = () => bystander.consumer(stream.name, durable);
  const publish = (body: unknown) => bystander.publish(stream.subject('a'), JSON.stringify(body));
  const settledAll = (count: number) => async () => (await position()).ack_floor.stream_seq === count;

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
    await own?.stop();
    await link?.close();
    own = undefined;
    link = undefined;
  });

  it('keeps what waits and then runs, together for longer than the ack wait', async () => {
    const seen: unknown[] = [];
    const options = { durable, concurrency: 1, ...PATIENT };
    await start(
      handler(stream.subject('a'), options, async (payload) => {
        seen.push(payload);
        await work(1_000);
      }),
    );
    for (const n of [1, 2, 3, 4]) await publish(n);
    await waitFor('all acks', settledAll(4));
    expect(seen).toEqual([1, 2, 3, 4]);
    const { delivered } = await position();
    expect(delivered).toMatchObject({ consumer_seq: 4, stream_seq: 4 });
  });

  it('keeps the members of a batch that are run one by one for longer than the ack wait', async () => {
    const alone: unknown[] = [];
    const options = { durable, ...PATIENT, batch: { size: 3, lingerMs: 1_000 } };
    await start(
      handler(stream.subject('a'), options, async (payloads) => {
        const members = payloads as unknown[];
        if (members.length > 1) throw new Error('not together');
        alone.push(...members);
        await work(1_200);
      }),
    );
    for (const n of [1, 2, 3]) await publish(n);
    await waitFor('the acks', settledAll(3));
    expect(alone).toEqual([1, 2, 3]);
    expect((await position()).delivered.consumer_seq).toBe(3);
  });

  it('is stopped and started under constant traffic without handling anything twice', async () => {
    const seen: unknown[] = [];
    const controller = handler(stream.subject('a'), { durable, concurrency: 4 }, async (payload) => {
      await work(1);
      seen.push(payload);
    });
    await start(controller);
    const traffic = new Traffic(bystander, stream.subject('a'));
    for (let round = 0; round < 5; round++) {
      const before = seen.length;
      await waitFor('work', () => seen.length > before + 50);
      await closeApp();
      await start(controller);
    }
    const published = await traffic.stop();
    await waitFor('the last ack', settledAll(published));
    expect(seen).toHaveLength(published);
    expect(new Set(seen).size).toBe(published);
  });

  it('loses nothing when its durable is deleted under traffic, or deleted and created by somebody else', async () => {
    const seen = new Set<unknown>();
    await start(handler(stream.subject('a'), { durable }, (payload) => seen.add(payload)));
    const { config } = await position();
    const traffic = new Traffic(bystander, stream.subject('a'));
    await waitFor('work', () => seen.size > 50);
    await bystander.deleteConsumer(stream.name, durable);
    await waitFor('the durable', position);
    await bystander.deleteConsumer(stream.name, durable);
    await bystander.createConsumer(stream.name, config);
    const published = await traffic.stop();
    await waitFor('everything', () => seen.size === published);
    await waitFor('the last ack', settledAll(published));
  });

  it('loses nothing when the server is killed and started again under traffic', async () => {
    const server = await startOwnServer();
    const seen = new Set<unknown>();
    await start(handler(stream.subject('a'), { durable, ackWaitMs: 2_000 }, (payload) => seen.add(payload)));
    const traffic = new Traffic(bystander, stream.subject('a'));
    for (let round = 0; round < 2; round++) {
      const before = traffic.count;
      await waitFor('work', () => traffic.count > before + 50 && seen.size > before + 50);
      await server.restart();
    }
    const before = traffic.count;
    await waitFor('work after the restart', () => traffic.count > before + 50);
    const published = await traffic.stop();
    await waitFor('everything', () => seen.size === published);
    await waitFor('the last ack', async () => (await position()).num_ack_pending === 0);
    expect([...seen].toSorted((a, b) => Number(a) - Number(b))).toEqual(
      Array.from({ length: published }, (_, n) => n),
    );
  });

  it('notices within half a minute that its link has died without a word, and goes on over a new one', async () => {
    link = await FragileLink.to(natsUrl());
    const seen: unknown[] = [];
    const controller = handler(stream.subject('a'), { durable, ackWaitMs: 2_000 }, (payload) => {
      seen.push(payload);
    });
    const { app } = await start(controller, { connection: { servers: link.url } });
    await publish(1);
    await waitFor('the first message', () => seen.length === 1);
    const states: string[] = [];
    app.get(JetStreamClient).status.subscribe((status) => states.push(status));
    link.die();
    await publish(2);
    await waitFor('the loss to be noticed', () => states.includes('disconnected'), 30_000);
    await waitFor('the second message', () => seen.includes(2));
  });

  it('asks again when the server has not heard its request, although the connection is well', async () => {
    link = await FragileLink.to(natsUrl());
    const seen: unknown[] = [];
    const controller = handler(stream.subject('a'), { durable }, (payload) => seen.push(payload));
    const { server } = await start(controller, { connection: { servers: link.url } });
    await publish(1);
    await waitFor('the first message', () => seen.length === 1);
    await server.pause(durable);
    link.loseNext('PUB $JS.API.CONSUMER.MSG.NEXT');
    await server.resume(durable);
    await waitFor('the loss', () => link?.hasLost);
    await publish(2);
    const now = performance.now.bind(performance);
    // The server would have sent three heartbeats by then.
    jest.spyOn(performance, 'now').mockImplementation(() => now() + 10_000);
    await waitFor('the second message', () => seen.length === 2);
    expect(server.liveness()[0]?.state).toBe('running');
  });

  const legacy = process.env['NATS_LEGACY_SERVER_BIN'];
  const describeUpgrade = legacy ? describe : describe.skip;

  describeUpgrade(`whose server is upgraded${legacy ? '' : ' (NATS_LEGACY_SERVER_BIN names none)'}`, () => {
    it('goes on, and what the new release can do is used from then on', async () => {
      const server = await startOwnServer(legacy);
      const seen = new Set<unknown>();
      const controller = handler(stream.subject('a'), { durable, ackWaitMs: 2_000 }, (payload) => {
        seen.add(payload);
      });
      const { publisher } = await start(controller);
      const expiring = { subject: stream.subject('b'), data: Buffer.from('1'), ttlMs: 60_000 };
      await expect(publisher.publish(expiring)).rejects.toBeInstanceOf(ServerTooOldError);
      const traffic = new Traffic(bystander, stream.subject('a'));
      await waitFor('work', () => seen.size > 50);
      await server.restart(process.env['NATS_SERVER_BIN']);
      const before = seen.size;
      await waitFor('work after the upgrade', () => seen.size > before + 50);
      const published = await traffic.stop();
      await waitFor('everything', () => seen.size === published);
      // The server has it now, the stream of before does not.
      await expect(publisher.publish(expiring)).rejects.toBeInstanceOf(StreamLacksFeatureError);
    });
  });
});
