import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AckPolicy } from '@nats-io/jetstream';
import { Controller, type INestApplication } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { EventPattern, TerminalError } from '@slipstream/jetstream';
import {
  DeadLetters,
  Inventory,
  NotFoundError,
  Replays,
  InvalidRequestError,
  TooLargeError,
} from '@slipstream/operations';
import { uniqueName, waitFor } from '@slipstream/testing';
import { OperatedServer, operatedStream, startService, type OperatedStream } from './harness.js';

const ME = { by: 'ann' };

class OutOfStockError extends TerminalError {
  override readonly code = 'OUT_OF_STOCK';
}

describe('an operator', () => {
  let stream: OperatedStream;
  let server: OperatedServer;
  let app: INestApplication;
  let handled: string[];
  let inventory: Inventory;
  let letters: DeadLetters;
  let replays: Replays;

  beforeAll(async () => {
    stream = operatedStream();
    handled = [];
    @Controller()
    class Stock {
      @EventPattern(stream.subject('a'), { durable: 'stock' })
      on(@Payload() payload: string): void {
        handled.push(payload);
        if (payload === 'gone') throw new OutOfStockError('nothing left');
        if (payload === 'bad') throw new TerminalError('cannot be');
      }
    }
    server = await OperatedServer.connect();
    app = await startService(stream, [Stock]);
    inventory = new Inventory(server.nc);
    letters = new DeadLetters(server.nc);
    replays = new Replays(server.nc);
    for (const body of ['fine', 'gone', 'gone', 'bad', 'gone']) {
      await server.publish(stream.subject('a'), JSON.stringify(body));
    }
    await server.publish(stream.subject('other'), '"nobody reads this"');
    await server.deadLetters(stream.name, 4);
  });

  afterAll(async () => {
    await app.close();
    await server.close();
  });

  it('sees how full streams are and how far consumers are', async () => {
    const overview = (await inventory.streams()).find(({ name }) => name === stream.name);
    expect(overview).toMatchObject({
      messages: 6,
      lastSequence: 6,
      replicas: 1,
      maxAgeMs: null,
      consumers: 1,
    });
    const consumers = await waitFor('the acks', async () => {
      const found = await inventory.consumers(stream.name);
      return found[0]?.ackPending === 0 && found;
    });
    expect(consumers).toMatchObject([
      { name: 'stock', lag: 0, filters: [stream.subject('a')], pausedUntil: null },
    ]);
  });

  it('pages through dead letters without seeing one twice', async () => {
    const ids: string[] = [];
    let after: string | undefined;
    do {
      const page = await letters.list({ stream: stream.name }, { limit: 3, ...(after ? { after } : {}) });
      ids.push(...page.letters.map(({ id }) => id));
      after = page.next ?? undefined;
    } while (after);
    expect(ids).toEqual([1, 2, 3, 4].map((sequence) => `${stream.name}:${sequence}`));
  });

  it('finds them by class and code of the error', async () => {
    const byCode = await letters.list({ stream: stream.name, errorCode: 'OUT_OF_STOCK' }, { limit: 10 });
    expect(byCode.letters).toHaveLength(3);
    const byClass = await letters.list({ stream: stream.name, errorClass: 'TerminalError' }, { limit: 10 });
    expect(byClass.letters.map(({ errorMessage }) => errorMessage)).toEqual(['cannot be']);
  });

  it('groups them by error, most frequent first', async () => {
    const groups = await letters.group({ stream: stream.name });
    expect(groups.map(({ errorCode, count }) => [errorCode, count])).toEqual([
      ['OUT_OF_STOCK', 3],
      ['JS_TERMINAL', 1],
    ]);
    expect(groups[0]?.newestId).toBe(`${stream.name}:4`);
  });

  it('reads one with its headers, stack and body', async () => {
    const detail = await letters.show(`${stream.name}:1`);
    expect(detail).toMatchObject({
      subject: stream.subject('a'),
      sequence: 2,
      consumer: 'stock',
      body: { kind: 'json', value: 'gone' },
    });
    expect(Object.keys(detail.headers)).toEqual(['Nats-Msg-Id']);
    expect(detail.stack).toMatch(/OutOfStockError.*\n/);
  });

  it('learns which streams there are from a wrong name', async () => {
    await expect(inventory.consumers('NONE')).rejects.toThrow(NotFoundError);
    await expect(letters.show('nonsense')).rejects.toThrow(InvalidRequestError);
  });

  it('pauses a consumer until a time, also for redrives, and resumes it', async () => {
    const until = new Date(Date.now() + 3_600_000);
    const paused = await inventory.pause(stream.name, 'stock', until);
    expect(Date.parse(paused.pausedUntil ?? '')).toBe(until.getTime());
    const redrives = (await inventory.consumers('OPERATIONS')).find(
      ({ name }) => name === `${stream.name}__stock`,
    );
    expect(redrives?.pausedUntil).toBe(paused.pausedUntil);
    await server.publish(stream.subject('a'), '"while paused"');
    expect((await inventory.consumers(stream.name))[0]).toMatchObject({ lag: 1 });
    expect(handled).not.toContain('while paused');
    expect((await inventory.resume(stream.name, 'stock')).pausedUntil).toBeNull();
    await waitFor('the message', () => handled.includes('while paused'));
  });

  it('pauses every partition of a durable that keeps an order, and no other consumer', async () => {
    for (const name of ['parts-p0', 'parts-p1', 'parts-other']) {
      await server.manager.consumers.add(stream.name, { durable_name: name, ack_policy: AckPolicy.Explicit });
    }
    const paused = await inventory.pause(stream.name, 'parts', new Date(Date.now() + 60_000));
    expect(paused).toMatchObject({ name: 'parts', lag: await server.count(stream.name) });
    const consumers = await inventory.consumers(stream.name);
    expect(consumers.filter(({ pausedUntil }) => pausedUntil).map(({ name }) => name)).toEqual([
      'parts-p0',
      'parts-p1',
    ]);
    for (const { name } of consumers.filter((consumer) => consumer.name.startsWith('parts'))) {
      await server.manager.consumers.delete(stream.name, name);
    }
  });

  it('refuses a pause that ends in the past', async () => {
    await expect(inventory.pause(stream.name, 'stock', new Date(0))).rejects.toThrow(InvalidRequestError);
  });

  it('counts what a replay would send and then sends just that, once for each run', async () => {
    const request = { stream: stream.name, consumer: 'stock', from: 1, to: 2 };
    const count = await replays.count(request);
    expect(count).toMatchObject({ messages: 2, firstSequence: 1, lastSequence: 2 });
    const before = handled.length;
    const run = uniqueName('run');
    expect(await replays.send(request, ME, run)).toMatchObject({ messages: 2, already: 0 });
    await server.redriven(stream.name, 'stock');
    expect(handled.slice(before).toSorted()).toEqual(['fine', 'gone']);
    expect(await replays.send(request, ME, run)).toMatchObject({ messages: 2, already: 2 });
    await server.redriven(stream.name, 'stock');
    expect(handled.length).toBe(before + 2);
    const all = await replays.count({ ...request, from: 1, to: undefined });
    // The message that no handler reads is not counted.
    expect(all.messages).toBe((await server.count(stream.name)) - 1);
  });

  it('replays by time, and nothing before or after it', async () => {
    const now = new Date();
    const request = { stream: stream.name, consumer: 'stock' };
    const past = await replays.count({ ...request, from: new Date(0), to: now });
    expect(past.messages).toBe((await server.count(stream.name)) - 1);
    expect(await replays.count({ ...request, from: now })).toMatchObject({ messages: 0 });
    await expect(replays.count({ ...request, from: 5, to: 4 })).rejects.toThrow(InvalidRequestError);
  });

  it('is told when a message is too large to be replayed', async () => {
    const body = JSON.stringify('x'.repeat((server.nc.info?.max_payload ?? 0) - 100));
    const from = await server.publish(stream.subject('a'), body);
    for (let index = 0; index < 20; index++) await server.publish(stream.subject('a'), '"fine"');
    const request = { stream: stream.name, consumer: 'stock', from };
    await expect(replays.send(request, ME, uniqueName('run'))).rejects.toThrow(TooLargeError);
  });
});
