import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, type INestApplication, type INestMicroservice } from '@nestjs/common';
import {
  ClientNats,
  Ctx,
  EventPattern as NestEventPattern,
  MessagePattern,
  NatsContext,
  NatsRecordBuilder,
  Payload,
  Transport,
  type MicroserviceOptions,
} from '@nestjs/microservices';
import { Test } from '@nestjs/testing';
import {
  EventPattern,
  JetStreamClient,
  JetStreamContext,
  nestPacketCodec,
  type JetStreamOptions,
} from '@slipstream/jetstream';
import { natsUrl, uniqueName, waitFor } from '@slipstream/testing';
import { headers as coreHeaders } from '@nats-io/transport-node';
import * as legacy from 'nats';
import { firstValueFrom, lastValueFrom, of, toArray } from 'rxjs';
import { Bystander, startTestApp, testStream, type TestApp, type TestStream } from './harness.js';

interface Seen {
  readonly payload: unknown;
  readonly header: (name: string) => string | undefined;
}

describe('interoperation', () => {
  let stream: TestStream;
  let durable: string;
  let seen: Seen[];
  let open: (() => Promise<unknown>)[];

  beforeEach(() => {
    stream = testStream();
    durable = uniqueName('d');
    seen = [];
    open = [];
  });

  afterEach(async () => {
    for (const close of open.toReversed()) await close();
  });

  async function startConsumer(options: Partial<JetStreamOptions> = {}): Promise<TestApp> {
    @Controller()
    class Consumer {
      @EventPattern(stream.subject('>'), { durable })
      on(@Payload() payload: unknown, @Ctx() context: JetStreamContext): void {
        seen.push({ payload, header: (name) => context.headers?.get(name) });
      }
    }
    const started = await startTestApp(stream, [Consumer], options);
    open.push(() => started.app.close());
    return started;
  }

  describe('with the legacy nats client', () => {
    let nc: legacy.NatsConnection;

    beforeEach(async () => {
      nc = await legacy.connect({ servers: natsUrl() });
      open.push(() => nc.close());
    });

    it('hands its JetStream messages to our handlers, headers and id included, once', async () => {
      await startConsumer();
      const headers = legacy.headers();
      headers.set('x-tenant', 'acme');
      const publish = () =>
        nc.jetstream().publish(stream.subject('a'), '{"n":1}', { msgID: 'legacy-1', headers });
      expect(await publish()).toMatchObject({ stream: stream.name, seq: 1, duplicate: false });
      expect(await publish()).toMatchObject({ seq: 1, duplicate: true });
      await nc.jetstream().publish(stream.subject('b'), '"last"');
      await waitFor('the messages', () => seen.length === 2);
      expect(seen.map(({ payload }) => payload)).toEqual([{ n: 1 }, 'last']);
      expect(seen[0]?.header('Nats-Msg-Id')).toBe('legacy-1');
      expect(seen[0]?.header('x-tenant')).toBe('acme');
    });

    it('hands core messages without headers to our handlers', async () => {
      await startConsumer();
      nc.publish(stream.subject('a'), '{"order_id":"o-1"}');
      await waitFor('the message', () => seen.length === 1);
      expect(seen[0]?.payload).toEqual({ order_id: 'o-1' });
    });

    it('reads with a pull consumer what our publisher and our batches wrote', async () => {
      const { publisher } = await startConsumer();
      const message = (suffix: string) => ({
        subject: stream.subject(suffix),
        data: Buffer.from(`"${suffix}"`),
        messageId: `${stream.name}-${suffix}`,
        headers: { 'x-tenant': 'acme' },
      });
      await publisher.publish(message('a'));
      await publisher.publishBatch([message('b'), message('c')]);
      const name = uniqueName('pull');
      const manager = await nc.jetstreamManager();
      await manager.consumers.add(stream.name, { durable_name: name, ack_policy: legacy.AckPolicy.Explicit });
      const consumer = await nc.jetstream().consumers.get(stream.name, name);
      const read: string[] = [];
      for await (const received of await consumer.fetch({ max_messages: 3, expires: 5_000 })) {
        read.push(
          `${received.string()} ${received.headers?.get('Nats-Msg-Id')} ${received.headers?.get('x-tenant')}`,
        );
        received.ack();
      }
      expect(read).toEqual(['a', 'b', 'c'].map((suffix) => `"${suffix}" ${stream.name}-${suffix} acme`));
    });

    it('reads with a push consumer what our publisher wrote', async () => {
      const { publisher } = await startConsumer();
      await publisher.publish({ subject: stream.subject('a'), data: Buffer.from('"pushed"') });
      const options = legacy.consumerOpts();
      options.deliverTo(legacy.createInbox());
      options.ackExplicit();
      options.deliverAll();
      const subscription = await nc.jetstream().subscribe(stream.subject('>'), options);
      for await (const received of subscription) {
        expect(received.json()).toBe('pushed');
        received.ack();
        break;
      }
      await subscription.destroy();
    });

    it('agrees with us on duplicates: an id we published is one to it', async () => {
      const { publisher } = await startConsumer();
      await publisher.publish({ subject: stream.subject('a'), data: Buffer.from('1'), messageId: 'x' });
      expect(await nc.jetstream().publish(stream.subject('a'), '1', { msgID: 'x' })).toMatchObject({
        duplicate: true,
      });
    });
  });

  describe("with Nest's own NATS transport", () => {
    const options = () => ({ servers: [natsUrl()] });
    let root: string;

    @Controller()
    class Handlers {
      static readonly events: unknown[] = [];

      @MessagePattern('sum')
      sum(@Payload() numbers: number[]): number {
        return numbers.reduce((total, number) => total + number, 0);
      }

      @MessagePattern({ cmd: 'count' })
      count(@Payload() to: number) {
        return of(...Array.from({ length: to }, (_, index) => index + 1));
      }

      @MessagePattern('tenant')
      tenant(@Ctx() context: NatsContext): string {
        return (context.getHeaders() as { get(name: string): string }).get('x-tenant');
      }

      @MessagePattern('fail')
      fail(): never {
        throw new Error('boom');
      }
    }

    async function startNestServer(controller = Handlers as new () => object): Promise<INestMicroservice> {
      const module = await Test.createTestingModule({ controllers: [controller] }).compile();
      const app = module.createNestMicroservice<MicroserviceOptions>({
        transport: Transport.NATS,
        options: options(),
        logger: ['fatal'],
      });
      await app.listen();
      open.push(() => app.close());
      return app;
    }

    async function startClient(): Promise<JetStreamClient> {
      const { app }: { app: INestApplication } = await startConsumer();
      return app.get(JetStreamClient);
    }

    function nestClient(): ClientNats {
      const client = new ClientNats(options());
      open.push(() => client.close());
      return client;
    }

    beforeEach(() => {
      root = uniqueName('nest');
    });

    it('asks its handlers by string and object pattern', async () => {
      await startNestServer();
      const client = await startClient();
      expect(await firstValueFrom(client.send('sum', [1, 2, 3]))).toBe(6);
      expect(await firstValueFrom(nestClient().send('sum', [1, 2, 3]))).toBe(6);
      expect(await lastValueFrom(client.send({ cmd: 'count' }, 3).pipe(toArray()))).toEqual([1, 2, 3]);
    });

    it('passes headers of a record and the error of a handler', async () => {
      await startNestServer();
      const client = await startClient();
      const headers = coreHeaders();
      headers.set('x-tenant', 'acme');
      const record = new NatsRecordBuilder({}).setHeaders(headers).build();
      expect(await firstValueFrom(client.send('tenant', record))).toBe('acme');
      await expect(firstValueFrom(client.send('fail', {}))).rejects.toMatchObject({ status: 'error' });
    });

    it('hands events we emit to its core handlers as well as to the stream', async () => {
      const subject = stream.subject('both');
      const events: unknown[] = [];

      @Controller()
      class Listener {
        @NestEventPattern(subject)
        on(@Payload() payload: unknown): void {
          events.push(payload);
        }
      }

      await startNestServer(Listener);
      const client = await startClient();
      await lastValueFrom(client.emit(subject, { n: 1 }));
      await waitFor('both handlers', () => events.length === 1 && seen.length === 1);
      expect([events[0], seen[0]?.payload]).toEqual([{ n: 1 }, { n: 1 }]);
    });

    it('is read through nestPacketCodec: its packets are unwrapped, other messages left alone', async () => {
      await startConsumer({ codec: nestPacketCodec() });
      const bystander = await Bystander.connect();
      open.push(() => bystander.close());
      const subject = stream.subject('a');
      await lastValueFrom(nestClient().emit(subject, { n: 1 }));
      await waitFor('the packet', () => seen.length === 1);
      const foreign = [{ n: 2 }, { pattern: 'stripes', data: 3 }, { pattern: subject }];
      for (const body of foreign) await bystander.publish(subject, JSON.stringify(body));
      await waitFor('the others', () => seen.length === 4);
      expect(seen.map(({ payload }) => payload)).toEqual([{ n: 1 }, ...foreign]);
    });

    it('is seen as the packet it sends without that codec', async () => {
      await startConsumer();
      await lastValueFrom(nestClient().emit(stream.subject('a'), { n: 1 }));
      await waitFor('the packet', () => seen.length === 1);
      expect(seen[0]?.payload).toEqual({ pattern: stream.subject('a'), data: { n: 1 } });
    });

    it('answers nothing for a pattern nobody handles', async () => {
      const client = await startClient();
      await expect(firstValueFrom(client.send(root, 1))).rejects.toMatchObject({ code: 'JS_NO_HANDLER' });
    });
  });
});
