import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { EventPattern, JetStreamConnection, JetStreamContext } from '@slipstream/jetstream';
import { uniqueName, waitFor } from '@slipstream/testing';
import { Bystander, startTestApp, testStream, type TestApp } from './harness.js';

const MAX_DELIVER = 2;
const CRASH_ALLOWANCE = 3;

describe('a message that kills its process at every attempt', () => {
  let bystander: Bystander;
  let current: TestApp | undefined;

  beforeEach(async () => {
    bystander = await Bystander.connect();
  });

  afterEach(async () => {
    await current?.app.close();
    await bystander.close();
  });

  it('ends in the dead-letter stream once, without another run, and its neighbours are handled', async () => {
    const stream = testStream();
    const durable = uniqueName('d');
    const handled: unknown[] = [];
    const runs: number[] = [];

    @Controller()
    class Fragile {
      @EventPattern(stream.subject('a'), { durable, maxDeliver: MAX_DELIVER, ackWaitMs: 400, timeoutMs: 399 })
      async on(@Payload() payload: unknown, @Ctx() context: JetStreamContext): Promise<void> {
        if (payload !== 'poison') {
          handled.push(payload);
          return;
        }
        runs.push(context.attempt);
        // What the server sees of a killed process: the connection is gone and nothing was settled.
        await current?.app.get(JetStreamConnection).nc.close();
        await new Promise(() => undefined);
      }
    }

    const start = () => startTestApp(stream, [Fragile], { shutdownTimeoutMs: 1 });
    const position = () => bystander.consumer(stream.name, durable);
    current = await start();
    for (const body of ['"before"', '"poison"', '"after"'])
      await bystander.publish(stream.subject('a'), body);
    for (let run = 1; run <= MAX_DELIVER + CRASH_ALLOWANCE; run++) {
      await waitFor(`run ${run}`, () => runs.length === run);
      await current.app.close();
      current = await start();
    }
    await waitFor('everything to be settled', async () => (await position()).ack_floor.stream_seq === 3);

    const letters = await bystander.messages(`${stream.name}_DLQ`);
    expect(letters.map(({ data }) => Buffer.from(data).toString())).toEqual(['"poison"']);
    expect(letters[0]?.header('dead-letter-code')).toBe('JS_CRASH_LOOP');
    expect(runs).toEqual([1, 2, 3, 4, 5]);
    expect(new Set(handled)).toEqual(new Set(['before', 'after']));
  }, 60_000);
});
