import { expect, it } from '@jest/globals';
import { TerminalError } from '@slipstream/jetstream';
import { waitFor } from '@slipstream/testing';
import type { ModeScene } from './mode-scene.js';

export function describeSettlement(scene: ModeScene): void {
  it('hands over payload, headers and context, and acks what was handled', async () => {
    const seen: unknown[] = [];
    const { publisher, settled } = await scene.handle((payload, context) => {
      const { subject, stream: from, consumer, sequence, attempt, messageId, pending } = context;
      const tenant = context.headers?.get('x-tenant');
      const age = Date.now() - context.timestamp.getTime();
      seen.push({ payload, subject, from, consumer, sequence, attempt, messageId, pending, tenant });
      seen.push(age < 60_000 && !context.signal.aborted);
    });
    await publisher.publish({
      subject: scene.stream.subject('a'),
      data: Buffer.from('{"n":1}'),
      messageId: 'm-1',
      headers: { 'x-tenant': 'acme' },
    });
    await waitFor('the settlement', () => settled.length === 1);
    await scene.allAcked();
    expect(seen).toEqual([
      {
        payload: { n: 1 },
        subject: scene.stream.subject('a'),
        from: scene.stream.name,
        consumer: scene.durable,
        sequence: 1,
        attempt: 1,
        messageId: 'm-1',
        pending: 0,
        tenant: 'acme',
      },
      true,
    ]);
    expect(settled[0]).toMatchObject({ consumer: scene.durable, outcome: 'handled', attempt: 1 });
  });

  it('tries again after an error until the handler succeeds', async () => {
    const attempts: unknown[] = [];
    const { settled } = await scene.handle(
      (_, { attempt, isRedelivered }) => {
        attempts.push([attempt, isRedelivered]);
        if (attempt < 4) throw new Error('not yet');
      },
      { backoffMs: [10, 10, 10] },
    );
    await scene.publish(1);
    await waitFor('the settlement', () => settled.some(({ outcome }) => outcome === 'handled'));
    await scene.allAcked();
    expect(attempts).toEqual([
      [1, false],
      [2, true],
      [3, true],
      [4, true],
    ]);
    expect(await scene.letters()).toEqual([]);
  });

  it('stores the last failure among the dead letters once and goes on', async () => {
    const seen: unknown[] = [];
    const { settled } = await scene.handle(
      (payload) => {
        if (payload === 'poison') throw new RangeError('always');
        seen.push(payload);
      },
      { maxDeliver: 3, backoffMs: [10] },
    );
    await scene.publish('poison', 'fine');
    await waitFor('both ends', () => settled.filter(({ outcome }) => outcome !== 'retried').length === 2);
    await scene.allAcked();
    const stored = await scene.letters();
    expect(stored.map(({ data }) => Buffer.from(data).toString())).toEqual(['"poison"']);
    const header = (name: string) => stored[0]?.header(`dead-letter-${name}`);
    expect([header('class'), header('attempts'), header('consumer'), header('sequence')]).toEqual([
      'RangeError',
      '3',
      scene.durable,
      '1',
    ]);
    expect(seen).toEqual(['fine']);
  });

  it('stores a terminal error and an undecodable message among the dead letters at once', async () => {
    const attempts: unknown[] = [];
    const { settled } = await scene.handle((payload) => {
      attempts.push(payload);
      throw new TerminalError('never');
    });
    await scene.publish('terminal');
    await scene.bystander.publish(scene.stream.subject('a'), '{broken');
    await waitFor('both ends', () => settled.length === 2);
    const reasons = (await scene.letters()).map((letter) => letter.header('dead-letter-code'));
    expect(reasons.toSorted()).toEqual(['JS_TERMINAL', 'JS_UNDECODABLE']);
    expect(attempts).toEqual(['terminal']);
  });

  scene.itBatches('isolates the poison member of a batch, and handles its neighbours', async () => {
    const handled: unknown[] = [];
    const { settled } = await scene.handle(
      (payloads) => {
        if ((payloads as unknown[]).includes(3)) throw new Error('poison');
        handled.push(...(payloads as unknown[]));
      },
      { maxDeliver: 1, batch: { size: 4, lingerMs: 50 } },
    );
    await scene.publish(1, 2, 3, 4);
    await waitFor('every end', () => settled.length === 4);
    await scene.allAcked();
    expect(handled.toSorted()).toEqual([1, 2, 4]);
    expect((await scene.letters()).map(({ data }) => Buffer.from(data).toString())).toEqual(['3']);
  });

  it('runs the processing hooks once for each attempt', async () => {
    const hooks: string[] = [];
    const { server, settled } = await scene.handle(
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
    await scene.publish(1);
    await waitFor('the end', () => settled.length === 2);
    expect(hooks).toEqual(['start', 'end', 'start', 'end']);
  });
}
