import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { EventPattern, JetStreamBatchContext, type HandlerOptions } from '@slipstream/jetstream';
import { waitFor } from '@slipstream/testing';
import { HandlerScene, type Handle } from './handler-scene.js';

type HandleBatch = (payloads: unknown[]) => unknown;

describe('batches', () => {
  const scene = new HandlerScene();

  beforeEach(() => scene.set());

  afterEach(() => scene.clear());

  const start = (options: Partial<HandlerOptions>, handle: HandleBatch) =>
    scene.start(scene.handler('a', options, handle as Handle));

  /** Before there is a handler: an application without one makes the stream. */
  async function storeBefore(...bodies: unknown[]): Promise<void> {
    await scene.start([]);
    await scene.publish(...bodies);
  }

  it('hands over what waits as one array and acks it together', async () => {
    const batches: unknown[][] = [];
    await storeBefore(1, 2, 3);
    await start({ batch: { size: 3, lingerMs: 5_000 } }, (payloads) => batches.push(payloads));
    await scene.acked(3);
    expect(batches).toEqual([[1, 2, 3]]);
  });

  it('hands over an incomplete batch when nothing more comes within the linger time', async () => {
    const batches: unknown[][] = [];
    await start({ batch: { size: 100, lingerMs: 20 } }, (payloads) => batches.push(payloads));
    await scene.publish('alone');
    await waitFor('the batch', () => batches.length === 1);
    expect(batches).toEqual([['alone']]);
  });

  it('gives each member a signal of its own after the batch ran into its time-out', async () => {
    const handled: unknown[] = [];
    await storeBefore(1, 2);
    @Controller()
    class Patient {
      @EventPattern(scene.stream.subject('a'), {
        durable: scene.durable,
        timeoutMs: 100,
        batch: { size: 2, lingerMs: 50 },
      })
      async on(@Payload() payloads: unknown[], @Ctx() context: JetStreamBatchContext): Promise<void> {
        if (payloads.length > 1) await new Promise(() => undefined);
        if (!context.signal.aborted) handled.push(...payloads);
      }
    }
    await scene.start(Patient);
    await scene.acked(2);
    expect(handled).toEqual([1, 2]);
  });

  it('isolates one poison member: its neighbours are handled, it alone is dead-lettered', async () => {
    const handled: unknown[] = [];
    await storeBefore(1, 2, 3, 4);
    await start({ maxDeliver: 1, batch: { size: 4, lingerMs: 50 } }, (payloads) => {
      if (payloads.includes(3)) throw new Error('poison');
      handled.push(...payloads);
    });
    await scene.acked(4);
    expect(handled).toEqual([1, 2, 4]);
    const letters = await scene.letters();
    expect(letters.map(({ data }) => Buffer.from(data).toString())).toEqual(['3']);
    expect(letters[0]?.header('dead-letter-message')).toBe('poison');
  });
});
