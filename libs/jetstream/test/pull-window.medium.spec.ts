import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { AckPolicy } from '@nats-io/jetstream';
import { uniqueName, waitFor } from '@slipstream/testing';
import { PullSubscription } from '../src/server/pull-subscription.js';
import { Bystander, startTestApp, testStream, type TestApp, type TestStream } from './harness.js';

const WINDOW = 48;

describe('what a process asks of a durable', () => {
  let stream: TestStream;
  let running: TestApp;
  let client: Bystander;
  let durable: string;

  beforeEach(async () => {
    stream = testStream();
    durable = uniqueName('d');
    running = await startTestApp(stream, []);
    client = await Bystander.connect();
    await client.addConsumer(stream.name, { durable_name: durable, ack_policy: AckPolicy.Explicit });
  });

  afterEach(async () => {
    await client.close();
    await running.app.close();
  });

  it('never exceeds its window, however many requests were fulfilled while others went on', async () => {
    let [handled, held] = [0, 0];
    let isStuck = false;
    const topUp = () => subscription.topUp(WINDOW - held, WINDOW);
    const target = { stream: stream.name, consumer: durable, inboxPrefix: undefined };
    const listener = {
      onMessage: (message: { respond(): boolean }) => {
        if (isStuck) return void held++;
        handled++;
        message.respond();
        topUp();
      },
      onCredit: topUp,
      onTrouble: () => undefined,
    };
    const subscription = new PullSubscription(client.nc, target, listener, () => Promise.resolve());
    subscription.start();
    topUp();
    // Few at a time, so that a new request is always sent before the last one is fulfilled.
    for (let sent = WINDOW / 4; sent <= 10 * WINDOW; sent += WINDOW / 4) {
      for (let n = 0; n < WINDOW / 4; n++) client.nc.publish(stream.subject('a'));
      await waitFor('the messages', () => handled === sent);
    }
    isStuck = true;
    for (let n = 0; n < 10 * WINDOW; n++) client.nc.publish(stream.subject('a'));
    await waitFor('the end of all requests', async () => {
      const { num_ack_pending: unacked, num_waiting: requests } = await client.consumer(stream.name, durable);
      return requests === 0 && unacked === held;
    });
    expect(held).toBe(WINDOW);
    await subscription.stop();
  });
});
