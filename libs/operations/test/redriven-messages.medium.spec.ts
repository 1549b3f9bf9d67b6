import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { headers as createHeaders } from '@nats-io/transport-node';
import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  EventPattern,
  JetStreamBatchContext,
  JetStreamContext,
  JetStreamPublisher,
  JetStreamServer,
  TerminalError,
} from '@slipstream/jetstream';
import { BodyGoneError } from '@slipstream/operations';
import { waitFor } from '@slipstream/testing';
import { ME, RedriveScene } from './redrive-scene.js';

describe('a redrive', () => {
  const scene = new RedriveScene();

  beforeEach(() => scene.set());

  afterEach(() => scene.clear());

  it('can carry another body, and keeps the one it replaces', async () => {
    await scene.start(...scene.controllers());
    const id = await scene.failOnce();
    scene.isBroken = false;
    await scene.redrives.redrive(id, ME, Buffer.from('"edited"'));
    await scene.server.redriven(scene.stream.name, 'failing');
    expect(scene.seen).toContain('failing:edited');
    const records = await scene.server.records(scene.stream.name);
    expect(records.map(({ subject }) => subject.split('.')[1])).toEqual(['discard', 'redrive']);
    expect(records[1]?.header('operation-edited')).toBe('true');
  });

  it('reaches a batch handler as a batch of one', async () => {
    const batches: number[] = [];
    @Controller()
    class Batching {
      @EventPattern(scene.stream.subject('b'), {
        durable: 'batching',
        maxDeliver: 1,
        batch: { size: 50, lingerMs: 1 },
      })
      on(@Payload() payloads: string[], @Ctx() { messages }: JetStreamBatchContext): void {
        batches.push(payloads.length);
        expect(messages[0]?.consumer).toBe('batching');
        if (scene.isBroken) throw new TerminalError('broken');
      }
    }
    await scene.start(Batching);
    await scene.server.publish(scene.stream.subject('b'), '"x"');
    await scene.server.deadLetters(scene.stream.name, 1);
    scene.isBroken = false;
    batches.length = 0;
    await scene.redrives.redriveAll({ stream: scene.stream.name }, ME);
    await scene.server.redriven(scene.stream.name, 'batching');
    expect(batches).toEqual([1]);
  });

  it('reaches a handler that keeps an order, in the order of the dead letters', async () => {
    const handled: string[] = [];
    @Controller()
    class Ordered {
      @EventPattern(scene.stream.subject('o'), {
        durable: 'ordered',
        maxDeliver: 1,
        orderBy: ({ payload }) => String(payload),
      })
      on(@Payload() payload: string, @Ctx() { consumer }: JetStreamContext): void {
        handled.push(`${consumer}:${payload}`);
        if (scene.isBroken) throw new TerminalError('broken');
      }
    }
    await scene.start(Ordered);
    for (let index = 0; index < 20; index++)
      await scene.server.publish(scene.stream.subject('o'), `"${index}"`);
    await scene.server.deadLetters(scene.stream.name, 20);
    const { letters: found } = await scene.letters.list(
      { stream: scene.stream.name, consumer: 'ordered' },
      { limit: 20 },
    );
    expect(found).toHaveLength(20);
    const sequences = found.map(({ sequence }) => sequence);
    scene.isBroken = false;
    handled.length = 0;
    expect(await scene.redrives.redriveAll({ stream: scene.stream.name }, ME)).toMatchObject({
      done: 20,
      failures: [],
    });
    await scene.server.redriven(scene.stream.name, 'ordered');
    expect(handled).toEqual(sequences.map((sequence) => `ordered:${sequence - 1}`));
  });

  it('reaches a raw handler with the original bytes', async () => {
    const bodies: string[] = [];
    @Controller()
    class Raw {
      @EventPattern(scene.stream.subject('r'), { durable: 'raw', maxDeliver: 1, raw: true })
      on(@Payload() body: Uint8Array): void {
        bodies.push(Buffer.from(body).toString());
        if (scene.isBroken) throw new TerminalError('broken');
      }
    }
    await scene.start(Raw);
    await scene.server.publish(scene.stream.subject('r'), '{not json');
    await scene.server.deadLetters(scene.stream.name, 1);
    scene.isBroken = false;
    await scene.redrives.redriveAll({ stream: scene.stream.name }, ME);
    await scene.server.redriven(scene.stream.name, 'raw');
    expect(bodies).toEqual(['{not json', '{not json']);
  });

  it('reaches a handler with what its own process published and it left out', async () => {
    const handled: string[] = [];
    @Controller()
    class Registering {
      @EventPattern(scene.stream.subject('e'), { durable: 'registering', noEcho: true })
      on(@Payload() payload: string): void {
        handled.push(payload);
      }
    }
    const app = await scene.start(Registering);
    await app.get(JetStreamServer).pause('registering');
    await app
      .get(JetStreamPublisher)
      .publish({ subject: scene.stream.subject('e'), data: Buffer.from('"own"'), messageId: 'own' });
    await app.get(JetStreamServer).resume('registering');
    await scene.server.publish(scene.stream.subject('e'), '"foreign"');
    await waitFor('the message of somebody else', () => handled.length > 0);
    expect(handled).toEqual(['foreign']);
    const range = { stream: scene.stream.name, consumer: 'registering' };
    expect(await scene.replays.send(range, ME, 'again')).toMatchObject({ messages: 2 });
    await waitFor('both', () => handled.length === 3);
    expect(handled.toSorted()).toEqual(['foreign', 'foreign', 'own']);
  });

  it('fetches a body that was too large to be copied', async () => {
    await scene.start(...scene.controllers());
    const limit = scene.server.nc.info?.max_payload ?? 0;
    const id = await scene.failOnce(JSON.stringify('x'.repeat(limit - 900)));
    expect(
      (await scene.letters.list({ stream: scene.stream.name }, { limit: 1 })).letters[0]?.bytes,
    ).toBeNull();
    scene.isBroken = false;
    await scene.redrives.redrive(id, ME);
    await scene.server.redriven(scene.stream.name, 'failing');
    expect(scene.seen.at(-1)?.length).toBeGreaterThan(limit - 1_000);
  });

  it('fetches headers that were too large to be copied, and says when they are gone', async () => {
    await scene.start(...scene.controllers());
    const big = 'x'.repeat(64 * 1_024 - 2_000);
    const failBig = async (messageId: string) => {
      const sequence = await scene.server.publish(scene.stream.subject('a'), '"order"', messageId, big);
      await scene.server.deadLetters(scene.stream.name, 1);
      const { letters: found } = await scene.letters.list({ stream: scene.stream.name }, { limit: 1 });
      return { sequence, id: found[0]?.id ?? '' };
    };
    const first = await failBig('id-1');
    expect(await scene.letters.show(first.id)).toMatchObject({
      headers: { 'Nats-Msg-Id': ['id-1'], 'x-big': [big] },
      body: { kind: 'json', value: 'order', text: '"order"' },
    });
    scene.isBroken = false;
    await scene.redrives.redrive(first.id, ME);
    await scene.server.redriven(scene.stream.name, 'failing');
    expect(scene.contexts.map((context) => context.headers?.get('x-big') === big)).toEqual([true, true]);
    expect(scene.contexts.at(-1)?.headers?.get('Nats-Msg-Id')).toBe('id-1');

    scene.isBroken = true;
    const second = await failBig('id-2');
    await scene.server.manager.streams.deleteMessage(scene.stream.name, second.sequence);
    expect(await scene.letters.show(second.id)).toMatchObject({ headers: 'gone', body: { kind: 'gone' } });
    await expect(scene.redrives.redrive(second.id, ME)).rejects.toThrow(BodyGoneError);
    expect(await scene.server.count(`${scene.stream.name}_DLQ`)).toBe(1);
  });

  it.each([
    [1, { kind: 'json', value: 'order', text: '"order"' }],
    [1_000, { kind: 'gone' }],
  ])('is of the message that was stored, as far as is known, %s ms earlier, or of none', async (ms, body) => {
    await scene.start();
    const { name, deadLetterSubject, subject } = scene.stream;
    const sequence = await scene.server.publish(subject('none'), '"order"');
    const stored = await scene.server.manager.streams.getMessage(name, { seq: sequence });
    const headers = createHeaders();
    headers.set('dead-letter-stream', name);
    headers.set('dead-letter-sequence', String(sequence));
    headers.set('dead-letter-first-at', new Date((stored?.time.getTime() ?? 0) + ms).toISOString());
    headers.set('dead-letter-body', 'in-stream');
    const letter = await scene.server.manager.jetstream().publish(deadLetterSubject, '', { headers });
    expect(await scene.letters.show(`${name}:${letter.seq}`)).toMatchObject({ body });
  });
});
