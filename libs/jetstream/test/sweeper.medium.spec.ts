import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { AckPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { Controller, type INestApplication } from '@nestjs/common';
import { Ctx } from '@nestjs/microservices';
import { EventPattern, JetStreamContext } from '@slipstream/jetstream';
import { uniqueName, waitFor } from '@slipstream/testing';
import { Bystander, startTestApp, testStream, type TestStream } from './harness.js';

describe('a consumer configured elsewhere', () => {
  let stream: TestStream;
  let foreign: string;
  let bystander: Bystander;
  let apps: INestApplication[];

  async function start(on = stream): Promise<INestApplication> {
    @Controller()
    class Own {
      @EventPattern(on.subject('own'), { durable: 'own' })
      on(): void {}
    }
    const { app } = await startTestApp(on, [Own]);
    apps.push(app);
    return app;
  }

  async function createForeignConsumer(): Promise<void> {
    const manager = await jetstreamManager(bystander.nc);
    await manager.consumers.add(stream.name, {
      durable_name: foreign,
      ack_policy: AckPolicy.Explicit,
      ack_wait: 100_000_000,
      max_deliver: 2,
      filter_subject: stream.subject('a'),
    });
  }

  /** What a worker does that dies with every message: it asks and never answers. */
  async function letDeliveriesRunOut(): Promise<void> {
    const consumer = await jetstream(bystander.nc).consumers.get(stream.name, foreign);
    await consumer.next({ expires: 5_000 });
    await consumer.next({ expires: 5_000 });
    // The server notices that the limit is used up when it is asked again.
    expect(await consumer.next({ expires: 1_000 })).toBeNull();
    await waitFor('the advisory', async () => {
      const advisories = await bystander.messages('ADVISORIES');
      return advisories.some(({ data }) => Buffer.from(data).toString().includes(foreign));
    });
  }

  async function letForeignConsumerTerminate(): Promise<void> {
    const consumer = await jetstream(bystander.nc).consumers.get(stream.name, foreign);
    (await consumer.next({ expires: 5_000 }))?.term('cannot be read');
  }

  const letters = () => bystander.messages(`${stream.name}_DLQ`);

  beforeEach(async () => {
    stream = testStream();
    foreign = uniqueName('foreign');
    apps = [];
    bystander = await Bystander.connect();
  });

  afterEach(async () => {
    await Promise.all(apps.map((app) => app.close()));
    await bystander.close();
  });

  it('has a message dead-lettered that used up the limit of the server, once', async () => {
    await start();
    await createForeignConsumer();
    await bystander.publish(stream.subject('a'), '"lost"');
    await letDeliveriesRunOut();
    const [letter] = await waitFor('the dead letter', async () => {
      const found = await letters();
      return found.length > 0 && found;
    });
    expect(Buffer.from(letter?.data ?? []).toString()).toBe('"lost"');
    expect(letter?.header('dead-letter-consumer')).toBe(foreign);
    expect(letter?.header('dead-letter-code')).toBe('JS_SERVER_GAVE_UP');
    expect(await letters()).toHaveLength(1);
  });

  it('has it dead-lettered also when nobody swept while the limit was used up', async () => {
    await (await start()).close();
    apps.pop();
    await createForeignConsumer();
    await bystander.publish(stream.subject('a'), '"late"');
    await letDeliveriesRunOut();
    expect(await letters()).toHaveLength(0);
    await start();
    await waitFor('the dead letter', async () => (await letters()).length === 1);
  });

  it('loses no dead letter to processes that know other streams', async () => {
    await start();
    await start(testStream());
    await start(testStream());
    await createForeignConsumer();
    for (let message = 0; message < 20; message++) {
      await bystander.publish(stream.subject('a'), `"poison ${message}"`);
      await letForeignConsumerTerminate();
    }
    await waitFor('every dead letter', async () => (await letters()).length === 20);
  });

  it('has a message dead-lettered that it terminated, with the reason', async () => {
    await start();
    await createForeignConsumer();
    await bystander.publish(stream.subject('a'), '"poison"');
    await letForeignConsumerTerminate();
    const [letter] = await waitFor('the dead letter', async () => {
      const found = await letters();
      return found.length > 0 && found;
    });
    expect(letter?.header('dead-letter-message')).toContain('cannot be read');
  });

  it('has a message dead-lettered that an old server dropped undelivered, and says so', async () => {
    await start();
    await bystander.publish(stream.subject('a'), '"dropped"');
    const subject = `$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.${stream.name}.own`;
    const type = 'io.nats.jetstream.advisory.v1.max_deliver';
    // The count is the one of nats-server 2.10, and no number of JavaScript.
    const counts = '"stream_seq":1,"deliveries":18446744073709551615';
    await bystander.publish(
      subject,
      `{"type":"${type}","stream":"${stream.name}","consumer":"own",${counts}}`,
    );
    const [letter] = await waitFor('the dead letter', async () => {
      const found = await letters();
      return found.length > 0 && found;
    });
    expect(letter?.header('dead-letter-message')).toContain('dropped the message before "own" got it');
    expect(letter?.header('dead-letter-attempts')).toBe('0');
  });

  it('has nothing dead-lettered that a handler terminated on purpose', async () => {
    const durable = uniqueName('d');
    @Controller()
    class Terminating {
      @EventPattern(stream.subject('a'), { durable })
      on(@Ctx() context: JetStreamContext): void {
        context.terminate('the order is gone');
      }
    }
    const { app, settled } = await startTestApp(stream, [Terminating]);
    apps.push(app);
    await createForeignConsumer();
    await bystander.publish(stream.subject('a'), '"obsolete"');
    await waitFor(
      'its end',
      async () => (await bystander.consumer(stream.name, durable)).num_ack_pending === 0,
    );
    const ended = await waitFor('its report', () => settled.find(({ consumer }) => consumer === durable));
    expect(ended).toMatchObject({ outcome: 'terminated', reason: 'the order is gone', error: undefined });
    // Its advisory was stored before this one, which is swept.
    await letForeignConsumerTerminate();
    await waitFor('the advisory of another consumer', async () => (await letters()).length > 0);
    expect((await letters()).map((letter) => letter.header('dead-letter-consumer'))).toEqual([foreign]);
    const advisories = (await bystander.messages('ADVISORIES')).map(({ data }) =>
      Buffer.from(data).toString(),
    );
    expect(advisories.filter((advisory) => advisory.includes(durable))).toEqual([
      expect.stringContaining('the order is gone'),
    ]);
  });
});
