import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Injectable,
  Module,
  type BeforeApplicationShutdown,
  type OnApplicationShutdown,
  type OnModuleDestroy,
  type Type,
} from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { Test } from '@nestjs/testing';
import {
  connectJetStream,
  EventPattern,
  JetStreamClient,
  JetStreamModule,
  JetStreamPublisher,
  JetStreamServer,
} from '@slipstream/jetstream';
import { natsUrl, uniqueName, waitFor } from '@slipstream/testing';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { lastValueFrom } from 'rxjs';
import { Bystander, testStream, type TestStream } from './harness.js';

describe('an application that stops', () => {
  let stream: TestStream;
  let durable: string;
  let bystander: Bystander;

  const message = (text: string) => ({ subject: stream.subject('out'), data: Buffer.from(text) });
  const stored = async () => {
    const messages = await bystander.messages(stream.name);
    return messages.map(({ data }) => Buffer.from(data).toString());
  };

  async function initApp(controllers: Type[], providers: Type[]) {
    @Module({
      imports: [
        JetStreamModule.forRoot({
          service: 'test',
          connection: { servers: natsUrl() },
          streams: [stream],
        }),
      ],
      controllers,
      providers,
    })
    class StoppingModule {}
    const module = await Test.createTestingModule({ imports: [StoppingModule] }).compile();
    const app = module.createNestApplication(new FastifyAdapter(), { logger: ['fatal'] });
    connectJetStream(app);
    await app.init();
    return app;
  }

  async function startApp(controllers: Type[], providers: Type[]) {
    const app = await initApp(controllers, providers);
    await app.startAllMicroservices();
    return app;
  }

  beforeEach(async () => {
    stream = testStream();
    durable = uniqueName('d');
    bystander = await Bystander.connect();
  });

  afterEach(() => bystander.close());

  it('publishes what a handler says that is still running, and acks it', async () => {
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    let begun = false;

    @Controller()
    class Speaking {
      constructor(
        private readonly publisher: JetStreamPublisher,
        private readonly client: JetStreamClient,
      ) {}

      @EventPattern(stream.subject('in'), { durable })
      async on(): Promise<void> {
        begun = true;
        await gate;
        await this.publisher.publish(message('published'));
        await lastValueFrom(this.client.emit(stream.subject('out'), 'emitted'));
      }
    }
    const app = await startApp([Speaking], []);
    await bystander.publish(stream.subject('in'), '1');
    await waitFor('the handler', () => begun);
    const closing = app.close();
    await waitFor('the stop', () => app.get(JetStreamServer).liveness()[0]?.state === 'stopped');
    open();
    await closing;
    expect(await stored()).toEqual(['1', 'published', '"emitted"']);
    const { num_ack_pending: unacked } = await bystander.consumer(stream.name, durable);
    expect(unacked).toBe(0);
  });

  it('publishes what its providers say in their last hooks', async () => {
    @Injectable()
    class Parting implements OnModuleDestroy, BeforeApplicationShutdown, OnApplicationShutdown {
      constructor(private readonly publisher: JetStreamPublisher) {}

      async onModuleDestroy(): Promise<void> {
        await this.publisher.publish(message('destroyed'));
      }

      async beforeApplicationShutdown(): Promise<void> {
        await this.publisher.publish(message('stopping'));
      }

      async onApplicationShutdown(): Promise<void> {
        await this.publisher.publish(message('stopped'));
      }
    }
    const app = await startApp([], [Parting]);
    await app.close();
    expect(await stored()).toEqual(['destroyed', 'stopping', 'stopped']);
  });

  it('is not undone by a start that ends after it', async () => {
    const handled: unknown[] = [];

    @Controller()
    class Taking {
      @EventPattern(stream.subject('in'), { durable })
      on(@Payload() payload: unknown): void {
        handled.push(payload);
      }
    }
    const app = await initApp([Taking], []);
    const starting = app.startAllMicroservices();
    const server = app.get(JetStreamServer);
    await server.close();
    await starting;
    await bystander.publish(stream.subject('in'), '1');
    expect(server.liveness().filter(({ state }) => state !== 'stopped')).toEqual([]);
    const { num_waiting: requests } = await bystander.consumer(stream.name, durable);
    expect([requests, handled]).toEqual([0, []]);
    await app.close();
  });
});
