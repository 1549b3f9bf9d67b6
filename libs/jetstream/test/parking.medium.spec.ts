import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { EventPattern, RetryableError } from '@slipstream/jetstream';
import { uniqueName, waitFor } from '@slipstream/testing';
import { Bystander, startTestApp, testStream, type TestApp } from './harness.js';

const PARKED = 5_000;
const NEW = 100;
const AT_ONCE = 250;
const A_MINUTE_MS = 60_000;

describe('messages that wait for a later attempt', () => {
  let bystander: Bystander;
  let running: TestApp | undefined;

  beforeEach(async () => {
    bystander = await Bystander.connect();
  });

  afterEach(async () => {
    await running?.app.close();
    await bystander.close();
  });

  it(`do not hold up new ones, even when ${PARKED} of them wait for a minute`, async () => {
    const stream = testStream();
    const durable = uniqueName('d');
    let parked = 0;
    let handled = 0;

    @Controller()
    class Busy {
      @EventPattern(stream.subject('a'), { durable, concurrency: 64 })
      on(@Payload() payload: string): void {
        if (payload === 'new') {
          handled++;
          return;
        }
        parked++;
        throw new RetryableError('the provider is away', { delayMs: A_MINUTE_MS });
      }
    }
    running = await startTestApp(stream, [Busy]);
    const publish = async (body: string, count: number) => {
      // All at once, the last would wait for their answers longer than the client does.
      for (let sent = 0; sent < count; sent += AT_ONCE) {
        const some = Array.from({ length: Math.min(AT_ONCE, count - sent) }, () => JSON.stringify(body));
        await Promise.all(some.map((text) => bystander.publish(stream.subject('a'), text)));
      }
    };
    await publish('later', PARKED);
    await waitFor('all to be parked', () => parked === PARKED, 30_000);
    await publish('new', NEW);
    await waitFor('the new ones', () => handled === NEW, 10_000);
    expect(parked).toBe(PARKED);
    const unacked = async () => (await bystander.consumer(stream.name, durable)).num_ack_pending;
    await waitFor('nothing but the parked ones to be unacked', async () => (await unacked()) === PARKED);
  }, 90_000);
});
