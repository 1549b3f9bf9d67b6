import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { JetStreamConnection, type HandlerOptions } from '@slipstream/jetstream';
import { createInbox } from '@nats-io/transport-node';
import { uniqueName, waitFor } from '@slipstream/testing';
import { OwnConsumer } from '../src/server/own-consumer.js';
import { HandlerScene, type Handle } from './handler-scene.js';
import type { TestApp } from './harness.js';

describe('delivery in order', () => {
  const scene = new HandlerScene();

  beforeEach(() => scene.set());

  afterEach(async () => {
    jest.restoreAllMocks();
    await scene.clear();
  });

  const start = (options: Partial<HandlerOptions>, handle: Handle) =>
    scene.start(scene.handler('>', options, handle));
  /** Has the next consumers created when their gates open, unless the gate refuses. */
  const slowDown = (...gates: readonly Promise<'created' | 'refused'>[]) => {
    // oxlint-disable-next-line typescript/unbound-method -- applied to what it is called on
    const { create } = OwnConsumer.prototype;
    const spy = jest.spyOn(OwnConsumer.prototype, 'create');
    for (const gate of gates) {
      spy.mockImplementationOnce(async function (this: OwnConsumer, ...args) {
        if ((await gate) === 'refused') throw new Error('no leader');
        return create.apply(this, args);
      });
    }
    return spy;
  };
  const numbers = (length: number) => Array.from({ length }, (_, index) => index);

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
      await scene.publish(body);
      if (body % 40 === 20) await app.get(JetStreamConnection).nc.reconnect();
      if (body % 40 === 30) {
        for (const { name } of await scene.bystander.consumers(scene.stream.name)) {
          await scene.bystander.deleteConsumer(scene.stream.name, name).catch(() => undefined);
        }
      }
    }
    await waitFor('every message', () => handled.length === 120);
    expect(handled).toEqual(numbers(120));
  });

  it.each<[string, (app: TestApp) => Promise<unknown>]>([
    ['the next one shows the gap', () => scene.publish('next')],
    ['the connection comes back', ({ app }) => app.get(JetStreamConnection).nc.reconnect()],
  ])('reads a message that was lost on its way as soon as %s', async (_, notice) => {
    const seen: unknown[] = [];
    const lost: unknown[] = [];
    const app = await start({ delivery: 'ordered' }, (payload) => seen.push(payload));
    const [consumer] = await scene.bystander.consumers(scene.stream.name);
    // Whoever else pulls from the consumer takes what the server then counts as delivered.
    const inbox = createInbox();
    scene.bystander.nc.subscribe(inbox, { callback: (__, message) => void lost.push(message.json()) });
    const next = `$JS.API.CONSUMER.MSG.NEXT.${scene.stream.name}.${consumer?.name}`;
    scene.bystander.nc.publish(next, '{"batch":1,"expires":60000000000}', { reply: inbox });
    await scene.bystander.nc.flush();
    for (let sent = 0; lost.length === 0; sent++) {
      await scene.publish(sent);
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
    await scene.publish('before', 'poison', 'after');
    await waitFor('the last', () => events.includes('after/1'));
    expect(events).toEqual(['before/1', 'poison/1', 'poison/2', 'poison/3', 'after/1']);
    expect(await scene.letters()).toHaveLength(1);
  });

  it('does not skip a failed message whose dead-letter copy is refused', async () => {
    const events: unknown[] = [];
    const { settled } = await start({ delivery: 'ordered', maxDeliver: 1 }, (payload) => {
      events.push(payload);
      if (payload === 'poison') throw new Error('always');
    });
    await scene.bystander.updateStream(`${scene.stream.name}_DLQ`, { max_msgs: 1 });
    await scene.bystander.publish(scene.stream.deadLetterSubject, 'fills it');
    await scene.publish('poison', 'after');
    await waitFor('a refused copy', () => settled.some(({ outcome }) => outcome === 'retried'));
    expect(events).toEqual(['poison']);
    await scene.bystander.updateStream(`${scene.stream.name}_DLQ`, { max_msgs: -1 });
    await waitFor('the next message', () => events.includes('after'));
    expect(await scene.letters()).toHaveLength(2);
  });

  it('reads a stream that was created anew from its beginning', async () => {
    const seen: unknown[] = [];
    await start({ delivery: 'ordered' }, (payload) => seen.push(payload));
    await scene.publish(...numbers(5));
    await waitFor('the first messages', () => seen.length === 5);
    await scene.bystander.deleteStream(scene.stream.name);
    await waitFor(
      'the stream',
      async () => (await scene.bystander.consumers(scene.stream.name)).length === 1,
    );
    await scene.publish('again');
    await waitFor('the message', () => seen.includes('again'));
    expect(seen).toEqual([...numbers(5), 'again']);
  });

  it.each([
    ['created at once', 'created'],
    ['refused at first', 'refused'],
  ] as const)('goes on after a pause during a restore when the next consumer is %s', async (_, answer) => {
    const seen: unknown[] = [];
    const { app, server } = await start({ delivery: 'ordered' }, (payload) => seen.push(payload));
    const first = Promise.withResolvers<'created' | 'refused'>();
    const next = Promise.withResolvers<'created' | 'refused'>();
    const creating = slowDown(first.promise, next.promise);
    const { nc } = app.get(JetStreamConnection);
    await nc.reconnect();
    await waitFor('the restore', () => creating.mock.calls.length === 1);
    await server.pause(scene.durable);
    await server.resume(scene.durable);
    await waitFor('the next restore', () => creating.mock.calls.length === 2);
    first.resolve('created');
    await creating.mock.results[0]?.value;
    await nc.flush();
    next.resolve(answer);
    await scene.publish(...numbers(20));
    await waitFor('every message', () => seen.length >= 20);
    expect(seen).toEqual(numbers(20));
    const consumers = () => scene.bystander.consumers(scene.stream.name);
    await waitFor('a consumer and no other', async () => (await consumers()).length === 1);
  });

  it('leaves no consumer behind at shutdown', async () => {
    const ordered = await start({ delivery: 'ordered' }, () => undefined);
    expect(await scene.bystander.consumers(scene.stream.name)).toHaveLength(1);
    await scene.stop(ordered);
    await waitFor('its end', async () => (await scene.bystander.consumers(scene.stream.name)).length === 0);
  });

  it('fetches ahead: a thousand messages take few requests', async () => {
    const seen: unknown[] = [];
    await start({ durable: uniqueName('other'), start: 'new' }, () => undefined);
    await Promise.all(numbers(1_000).map((body) => scene.publish(body)));
    let requests = 0;
    scene.bystander.nc.subscribe(`$JS.API.CONSUMER.MSG.NEXT.${scene.stream.name}.*`, {
      callback: (_, { subject }) => void (requests += subject.includes(scene.durable) ? 1 : 0),
    });
    await scene.bystander.nc.flush();
    await start({ delivery: 'ordered' }, (_, { sequence }) => seen.push(sequence));
    await waitFor('every message', () => seen.length === 1_000);
    expect(seen).toEqual(numbers(1_000).map((index) => index + 1));
    expect(requests).toBeGreaterThan(0);
    expect(requests).toBeLessThan(20);
  });
});
