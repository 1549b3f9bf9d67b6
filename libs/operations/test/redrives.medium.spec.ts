import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, type INestApplication, type Type } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  EventPattern,
  JetStreamBatchContext,
  JetStreamContext,
  redriveSubject,
  TerminalError,
} from '@slipstream/jetstream';
import { waitFor } from '@slipstream/testing';
import {
  BodyGoneError,
  DeadLetters,
  DeadLetterNotFoundError,
  NoRedriveConsumerError,
  Redrives,
} from '@slipstream/operations';
import { OperatedServer, operatedStream, startService, type OperatedStream } from './harness.js';

const ME = { by: 'ann', reason: 'fixed' };

describe('a redrive', () => {
  let stream: OperatedStream;
  let server: OperatedServer;
  let letters: DeadLetters;
  let redrives: Redrives;
  let apps: INestApplication[];
  let isBroken: boolean;
  let seen: string[];
  let contexts: JetStreamContext[];

  async function start(...parts: Type[]): Promise<INestApplication> {
    const app = await startService(stream, parts);
    apps.push(app);
    return app;
  }

  function controllers(): Type[] {
    @Controller()
    class Failing {
      @EventPattern(stream.subject('a'), { durable: 'failing', maxDeliver: 1 })
      on(@Payload() payload: string, @Ctx() context: JetStreamContext): void {
        seen.push(`failing:${payload}`);
        contexts.push(context);
        if (isBroken) throw new TerminalError('broken'.padEnd(1_000, '.'));
      }
    }
    @Controller()
    class Healthy {
      @EventPattern(stream.subject('a'), { durable: 'healthy' })
      on(@Payload() payload: string): void {
        seen.push(`healthy:${payload}`);
      }
    }
    return [Failing, Healthy];
  }

  async function failOnce(body = '"order"'): Promise<string> {
    await server.publish(stream.subject('a'), body, 'id-1');
    await server.deadLetters(stream.name, 1);
    const { letters: found } = await letters.list({ stream: stream.name }, { limit: 1 });
    return found[0]?.id ?? '';
  }

  const seenBy = (durable: string) => seen.filter((entry) => entry.startsWith(durable)).length;

  beforeEach(async () => {
    stream = operatedStream();
    server = await OperatedServer.connect();
    letters = new DeadLetters(server.nc);
    redrives = new Redrives(server.nc);
    apps = [];
    isBroken = true;
    seen = [];
    contexts = [];
  });

  afterEach(async () => {
    await Promise.all(apps.map((app) => app.close()));
    await server.close();
  });

  it('reaches the consumer that failed and no other, as the message it was', async () => {
    await start(...controllers());
    const id = await failOnce();
    isBroken = false;
    expect(await redrives.redrive(id, ME)).toBe('done');
    await server.redriven(stream.name, 'failing');
    expect(seenBy('failing')).toBe(2);
    expect(seenBy('healthy')).toBe(1);
    const [first, again] = contexts;
    expect(again).toMatchObject({
      subject: first?.subject,
      stream: first?.stream,
      consumer: first?.consumer,
      sequence: first?.sequence,
      messageId: first?.messageId,
      timestamp: first?.timestamp,
      attempt: 1,
    });
    expect(again?.headers?.get('Nats-Msg-Id')).toBe('id-1');
    expect(again?.headers?.keys()).toEqual(['Nats-Msg-Id']);
    expect(await server.count(`${stream.name}_DLQ`)).toBe(0);
  });

  it('is recorded with who and why', async () => {
    await start(...controllers());
    await redrives.redrive(await failOnce(), ME);
    const [record] = await server.records(stream.name);
    expect(record?.header('operation-by')).toBe('ann');
    expect(record?.header('operation-reason')).toBe('fixed');
    expect(Date.parse(record?.header('operation-at') ?? '')).not.toBeNaN();
  });

  it('has one effect when several operators send it at the same time', async () => {
    await start(...controllers());
    const id = await failOnce();
    isBroken = false;
    const results = await Promise.allSettled([1, 2, 3, 4].map(() => redrives.redrive(id, ME)));
    expect(results.filter((result) => result.status === 'fulfilled' && result.value === 'done')).toHaveLength(
      1,
    );
    const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
    expect(failures.every((failure) => failure instanceof DeadLetterNotFoundError)).toBe(true);
    await server.redriven(stream.name, 'failing');
    expect(seenBy('failing')).toBe(2);
  });

  it('has one effect when the process died between sending and removing', async () => {
    await start(...controllers());
    const id = await failOnce();
    isBroken = false;
    const { position, storedAtMs, body, headers } = await letters.get(id);
    // What the process had sent before it died, and somebody handled meanwhile.
    const operationId = `${position.sequence}-${storedAtMs}`;
    await server.manager
      .jetstream()
      .publish(redriveSubject(stream.name, 'failing', operationId), body, { headers });
    await server.redriven(stream.name, 'failing');
    expect(await redrives.redrive(id, ME)).toBe('already');
    await server.redriven(stream.name, 'failing');
    expect(seenBy('failing')).toBe(2);
    expect(await server.count(`${stream.name}_DLQ`)).toBe(0);
  });

  it('is not found when it is repeated after it was done', async () => {
    await start(...controllers());
    const id = await failOnce();
    await redrives.redrive(id, ME);
    await expect(redrives.redrive(id, ME)).rejects.toThrow(DeadLetterNotFoundError);
  });

  it('that fails again is another dead letter, which can be redriven again', async () => {
    await start(...controllers());
    const id = await failOnce();
    await redrives.redrive(id, ME);
    await server.redriven(stream.name, 'failing');
    const [again] = (await letters.list({ stream: stream.name }, { limit: 10 })).letters;
    expect(again).toMatchObject({
      consumer: 'failing',
      sequence: 1,
      stream: stream.name,
      subject: stream.subject('a'),
    });
    expect(again?.id).not.toBe(id);
    isBroken = false;
    expect(await redrives.redrive(again?.id ?? '', ME)).toBe('done');
    await server.redriven(stream.name, 'failing');
    expect(seenBy('failing')).toBe(3);
    expect(await server.count(`${stream.name}_DLQ`)).toBe(0);
  });

  it('waits for the service while none runs', async () => {
    const app = await start(...controllers());
    const id = await failOnce();
    await app.close();
    apps = [];
    isBroken = false;
    await redrives.redrive(id, ME);
    await start(...controllers());
    await server.redriven(stream.name, 'failing');
    expect(seenBy('failing')).toBe(2);
  });

  it('can carry another body, and keeps the one it replaces', async () => {
    await start(...controllers());
    const id = await failOnce();
    isBroken = false;
    await redrives.redrive(id, ME, Buffer.from('"edited"'));
    await server.redriven(stream.name, 'failing');
    expect(seen).toContain('failing:edited');
    const records = await server.records(stream.name);
    expect(records.map(({ subject }) => subject.split('.')[1])).toEqual(['discard', 'redrive']);
    expect(records[1]?.header('operation-edited')).toBe('true');
  });

  it('of all takes those that are there, and only those that match', async () => {
    await start(...controllers());
    for (let index = 0; index < 250; index++) await server.publish(stream.subject('a'), `"${index}"`);
    await server.deadLetters(stream.name, 250);
    expect(await redrives.redriveAll({ stream: stream.name, consumer: 'other' }, ME)).toMatchObject({
      done: 0,
    });
    isBroken = false;
    const result = await redrives.redriveAll({ stream: stream.name, errorClass: 'TerminalError' }, ME);
    expect(result).toEqual({ done: 250, already: 0, failures: [] });
    await server.redriven(stream.name, 'failing');
    expect(seenBy('failing')).toBe(500);
    expect(await server.count(`${stream.name}_DLQ`)).toBe(0);
  });

  it('reaches a batch handler as a batch of one', async () => {
    const batches: number[] = [];
    @Controller()
    class Batching {
      @EventPattern(stream.subject('b'), {
        durable: 'batching',
        maxDeliver: 1,
        batch: { size: 50, lingerMs: 1 },
      })
      on(@Payload() payloads: string[], @Ctx() { messages }: JetStreamBatchContext): void {
        batches.push(payloads.length);
        expect(messages[0]?.consumer).toBe('batching');
        if (isBroken) throw new TerminalError('broken');
      }
    }
    await start(Batching);
    await server.publish(stream.subject('b'), '"x"');
    await server.deadLetters(stream.name, 1);
    isBroken = false;
    batches.length = 0;
    await redrives.redriveAll({ stream: stream.name }, ME);
    await server.redriven(stream.name, 'batching');
    expect(batches).toEqual([1]);
  });

  it('reaches a handler that keeps an order, in the order of the dead letters', async () => {
    const handled: string[] = [];
    @Controller()
    class Ordered {
      @EventPattern(stream.subject('o'), {
        durable: 'ordered',
        maxDeliver: 1,
        orderBy: ({ payload }) => String(payload),
      })
      on(@Payload() payload: string, @Ctx() { consumer }: JetStreamContext): void {
        handled.push(`${consumer}:${payload}`);
        if (isBroken) throw new TerminalError('broken');
      }
    }
    await start(Ordered);
    for (let index = 0; index < 20; index++) await server.publish(stream.subject('o'), `"${index}"`);
    await server.deadLetters(stream.name, 20);
    const { letters: found } = await letters.list(
      { stream: stream.name, consumer: 'ordered' },
      { limit: 20 },
    );
    expect(found).toHaveLength(20);
    const sequences = found.map(({ sequence }) => sequence);
    isBroken = false;
    handled.length = 0;
    expect(await redrives.redriveAll({ stream: stream.name }, ME)).toMatchObject({ done: 20, failures: [] });
    await server.redriven(stream.name, 'ordered');
    expect(handled).toEqual(sequences.map((sequence) => `ordered:${sequence - 1}`));
  });

  it('reaches a raw handler with the original bytes', async () => {
    const bodies: string[] = [];
    @Controller()
    class Raw {
      @EventPattern(stream.subject('r'), { durable: 'raw', maxDeliver: 1, raw: true })
      on(@Payload() body: Uint8Array): void {
        bodies.push(Buffer.from(body).toString());
        if (isBroken) throw new TerminalError('broken');
      }
    }
    await start(Raw);
    await server.publish(stream.subject('r'), '{not json');
    await server.deadLetters(stream.name, 1);
    isBroken = false;
    await redrives.redriveAll({ stream: stream.name }, ME);
    await server.redriven(stream.name, 'raw');
    expect(bodies).toEqual(['{not json', '{not json']);
  });

  it('fetches a body that was too large to be copied', async () => {
    await start(...controllers());
    const limit = server.nc.info?.max_payload ?? 0;
    const id = await failOnce(JSON.stringify('x'.repeat(limit - 900)));
    expect((await letters.list({ stream: stream.name }, { limit: 1 })).letters[0]?.bytes).toBe(0);
    isBroken = false;
    await redrives.redrive(id, ME);
    await server.redriven(stream.name, 'failing');
    expect(seen.at(-1)?.length).toBeGreaterThan(limit - 1_000);
  });

  it('fetches headers that were too large to be copied, and says when they are gone', async () => {
    await start(...controllers());
    const big = 'x'.repeat(64 * 1_024 - 2_000);
    const failBig = async (messageId: string) => {
      const sequence = await server.publish(stream.subject('a'), '"order"', messageId, big);
      await server.deadLetters(stream.name, 1);
      const { letters: found } = await letters.list({ stream: stream.name }, { limit: 1 });
      return { sequence, id: found[0]?.id ?? '' };
    };
    const first = await failBig('id-1');
    expect(await letters.show(first.id)).toMatchObject({
      headers: { 'Nats-Msg-Id': ['id-1'], 'x-big': [big] },
      body: { kind: 'json', value: 'order' },
    });
    isBroken = false;
    await redrives.redrive(first.id, ME);
    await server.redriven(stream.name, 'failing');
    expect(contexts.map((context) => context.headers?.get('x-big') === big)).toEqual([true, true]);
    expect(contexts.at(-1)?.headers?.get('Nats-Msg-Id')).toBe('id-1');

    isBroken = true;
    const second = await failBig('id-2');
    await server.manager.streams.deleteMessage(stream.name, second.sequence);
    expect(await letters.show(second.id)).toMatchObject({ headers: 'gone', body: { kind: 'gone' } });
    await expect(redrives.redrive(second.id, ME)).rejects.toThrow(BodyGoneError);
    expect(await server.count(`${stream.name}_DLQ`)).toBe(1);
  });

  it('is refused when no service would ever take it', async () => {
    await start(...controllers());
    const id = await failOnce();
    await server.manager.consumers.delete('OPERATIONS', `${stream.name}__failing`).catch(() => false);
    await Promise.all(apps.splice(0).map((app) => app.close()));
    await server.manager.consumers.delete('OPERATIONS', `${stream.name}__failing`).catch(() => false);
    await expect(redrives.redrive(id, ME)).rejects.toThrow(NoRedriveConsumerError);
    expect(await server.count(`${stream.name}_DLQ`)).toBe(1);
  });

  it('that is discarded instead is kept with who and why, and reaches nobody', async () => {
    await start(...controllers());
    const id = await failOnce();
    isBroken = false;
    expect(await redrives.discard(id, { by: 'ann', reason: 'test data' })).toBe('done');
    await expect(redrives.redrive(id, ME)).rejects.toThrow(DeadLetterNotFoundError);
    const [record, ...others] = await server.records(stream.name);
    expect(record?.subject).toContain(`operations.discard.${stream.name}.failing.`);
    expect(record?.header('operation-reason')).toBe('test data');
    expect(record?.header('original-nats-msg-id')).toBe('id-1');
    expect(others).toEqual([]);
    expect(seenBy('failing')).toBe(1);
    await waitFor('the letter to be gone', async () => (await server.count(`${stream.name}_DLQ`)) === 0);
  });
});
