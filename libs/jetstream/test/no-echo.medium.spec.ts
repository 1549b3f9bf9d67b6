import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { EventPattern, JetStreamContext, type HandlerOptions } from '@slipstream/jetstream';
import { uniqueName, waitFor } from '@slipstream/testing';
import { Bystander, startTestApp, testStream, type TestApp, type TestStream } from './harness.js';

describe('a handler without echo', () => {
  let stream: TestStream;
  let durable: string;
  let bystander: Bystander;
  let running: TestApp;
  let handled: unknown[];
  /** Of own messages, that they are delivered before the answer to their publication came. */
  let isRetrying: boolean;

  async function start(options: Partial<HandlerOptions> = {}): Promise<void> {
    @Controller()
    class Listening {
      @EventPattern(stream.subject('*'), { durable, noEcho: true, ...options })
      on(@Payload() payload: unknown, @Ctx() context: JetStreamContext): void {
        handled.push(...[payload].flat());
        if (isRetrying && context.attempt === 1) context.retry({ delayMs: 1 });
      }
    }
    running = await startTestApp(stream, [Listening]);
  }

  const own = (data: string) => ({
    subject: stream.subject('a'),
    data: Buffer.from(data),
    messageId: uniqueName('m'),
  });

  /** Publishes while nothing is delivered, so that the answers are there first. */
  async function publishFirst(publish: () => Promise<unknown>): Promise<void> {
    await running.server.pause(durable);
    await publish();
    await running.server.resume(durable);
  }

  const outcomes = () => running.settled.map(({ sequence, outcome }) => `${sequence} ${outcome}`).toSorted();

  const allAcked = () =>
    waitFor('all acks', async () => {
      const { num_ack_pending, num_pending } = await bystander.consumer(stream.name, durable);
      return num_ack_pending + num_pending === 0;
    });

  beforeEach(async () => {
    stream = testStream();
    durable = uniqueName('d');
    handled = [];
    isRetrying = false;
    bystander = await Bystander.connect();
  });

  afterEach(async () => {
    await running.app.close();
    await bystander.close();
  });

  it.each([undefined, { size: 10, lingerMs: 5 }])(
    'acks what its process published without decoding it, and gets what others published (batch: %j)',
    async (batch) => {
      await start(batch && { batch });
      await publishFirst(async () => {
        await running.publisher.publish(own('no JSON'));
        await running.publisher.publishBatch(['no', 'JSON', 'either'].map(own));
        await bystander.publish(stream.subject('b'), '1');
      });
      await waitFor('all settled', () => running.settled.length === 5);
      expect(handled).toEqual([1]);
      expect(outcomes()).toEqual(['1 ignored', '2 ignored', '3 ignored', '4 ignored', '5 handled']);
      await allAcked();
    },
  );

  it('gets what another process of its service published', async () => {
    await start();
    const other = await startTestApp(stream, []);
    await other.publisher.publish(own('1'));
    await waitFor('it', () => handled.length === 1);
    await other.app.close();
  });

  it('gets a message again that it wants to retry, although it is known for its own by then', async () => {
    isRetrying = true;
    await start({ ackWaitMs: 60_000 });
    await running.publisher.publish(own('1'));
    await bystander.publish(stream.subject('b'), '2');
    await waitFor('the end of the second message', () =>
      running.settled.some(({ sequence, outcome }) => sequence === 2 && outcome === 'handled'),
    );
    await allAcked();
    const ofOwn = outcomes().filter((outcome) => outcome.startsWith('1 '));
    expect([['1 ignored'], ['1 handled', '1 retried']]).toContainEqual(ofOwn);
  });

  it('gets what somebody else stored under the sequence of an own message in a stream made anew', async () => {
    await start();
    await publishFirst(() => running.publisher.publish(own('"own"')));
    await waitFor('it', () => running.settled.length === 1);
    const manager = await jetstreamManager(bystander.nc);
    const { config } = await manager.streams.info(stream.name);
    await manager.streams.delete(stream.name);
    await manager.streams.add(config);
    await bystander.publish(stream.subject('a'), '"foreign"');
    await waitFor('the message', () => handled.length === 1);
    expect(handled).toEqual(['foreign']);
  });
});
