import type { INestApplication, Type } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test, type TestingModule } from '@nestjs/testing';
import {
  jetstream,
  jetstreamManager,
  type ConsumerConfig,
  type StreamUpdateConfig,
} from '@nats-io/jetstream';
import { connect, type ConnectionOptions, type NatsConnection } from '@nats-io/transport-node';
import {
  connectJetStream,
  JetStreamModule,
  JetStreamPublisher,
  JetStreamServer,
  type JetStreamOptions,
  type SettledDelivery,
  type StreamDefinition,
} from '@slipstream/jetstream';
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { natsUrl, uniqueName } from '@slipstream/testing';

/** A stream of a test's own: `subject('a')` lies in it. */
export interface TestStream extends StreamDefinition {
  readonly subject: (name: string) => string;
}

export function testStream(): TestStream {
  const name = uniqueName('S').toUpperCase();
  const root = name.toLowerCase();
  return {
    name,
    subjects: [`${root}.events.>`],
    deadLetterSubject: `${root}.dlq`,
    subject: (suffix) => `${root}.events.${suffix}`,
  };
}

export interface TestApp {
  readonly app: INestApplication;
  readonly publisher: JetStreamPublisher;
  readonly server: JetStreamServer;
  readonly settled: SettledDelivery[];
}

/** A module with the controllers on the stream, from which an application is still to be made. */
export function buildTestModule(
  stream: StreamDefinition,
  controllers: Type[],
  options: Partial<JetStreamOptions> = {},
): Promise<TestingModule> {
  return Test.createTestingModule({
    imports: [
      JetStreamModule.forRoot({
        service: 'test',
        connection: { servers: natsUrl() },
        streams: [stream],
        ...options,
      }),
    ],
    controllers,
  }).compile();
}

/** Starts an application with the controllers on the stream. */
export async function startTestApp(
  stream: StreamDefinition,
  controllers: Type[],
  options: Partial<JetStreamOptions> = {},
): Promise<TestApp> {
  const settled: SettledDelivery[] = [];
  const observer = {
    settled: (delivery: SettledDelivery) => settled.push(delivery),
    published: () => undefined,
  };
  const module = await buildTestModule(stream, controllers, { observer, ...options });
  const app = module.createNestApplication(new FastifyAdapter(), { logger: ['fatal'] });
  connectJetStream(app);
  try {
    await app.init();
    await app.startAllMicroservices();
  } catch (error) {
    await app.close();
    throw error;
  }
  return { app, publisher: app.get(JetStreamPublisher), server: app.get(JetStreamServer), settled };
}

export interface StoredMessage {
  readonly data: Uint8Array;
  readonly header: (name: string) => string;
}

/** A client of its own, as a foreign publisher or an operator would have. */
export class Bystander {
  private constructor(readonly nc: NatsConnection) {}

  static async connect(
    servers: string | string[] = natsUrl(),
    options: ConnectionOptions = {},
  ): Promise<Bystander> {
    return new Bystander(await connect({ ...options, servers }));
  }

  /** False while a cluster has no leader yet. */
  async isJetStreamReady(): Promise<boolean> {
    return (await jetstreamManager(this.nc, { checkAPI: false })).getAccountInfo().then(
      () => true,
      () => false,
    );
  }

  publish(subject: string, body: string): Promise<unknown> {
    return jetstream(this.nc).publish(subject, body);
  }

  async messages(stream: string): Promise<StoredMessage[]> {
    const manager = await jetstreamManager(this.nc);
    const { state } = await manager.streams.info(stream);
    const found: StoredMessage[] = [];
    for (let seq = state.first_seq; seq <= state.last_seq && state.messages > 0; seq++) {
      const message = await manager.streams.getMessage(stream, { seq });
      if (message) found.push({ data: message.data, header: (name) => message.header.get(name) });
    }
    return found;
  }

  async consumer(stream: string, durable: string) {
    return (await jetstreamManager(this.nc)).consumers.info(stream, durable);
  }

  async consumers(stream: string) {
    return (await jetstreamManager(this.nc)).consumers.list(stream).next();
  }

  async addConsumer(stream: string, config: Partial<ConsumerConfig>): Promise<void> {
    await (await jetstreamManager(this.nc)).consumers.add(stream, config);
  }

  async updateConsumer(stream: string, durable: string, changes: Partial<ConsumerConfig>): Promise<void> {
    await (await jetstreamManager(this.nc)).consumers.update(stream, durable, changes);
  }

  async updateStream(stream: string, changes: Partial<StreamUpdateConfig>): Promise<void> {
    await (await jetstreamManager(this.nc)).streams.update(stream, changes);
  }

  async deleteStream(stream: string): Promise<void> {
    await (await jetstreamManager(this.nc)).streams.delete(stream);
  }

  async createConsumer(stream: string, config: Partial<ConsumerConfig>): Promise<void> {
    await (await jetstreamManager(this.nc)).consumers.add(stream, config);
  }

  async deleteConsumer(stream: string, durable: string): Promise<void> {
    await (await jetstreamManager(this.nc)).consumers.delete(stream, durable);
  }

  async close(): Promise<void> {
    await this.nc.close();
  }
}

/** Publishes header bytes that no client library would send. */
export async function publishRaw(subject: string, headers: string, body: string): Promise<void> {
  const { hostname, port } = new URL(natsUrl());
  const socket = createConnection(Number(port), hostname);
  try {
    await once(socket, 'data');
    const size = Buffer.byteLength(headers);
    socket.write('CONNECT {"verbose":false,"headers":true}\r\n');
    socket.write(
      `HPUB ${subject} ${size} ${size + Buffer.byteLength(body)}\r\n${headers}${body}\r\nPING\r\n`,
    );
    await once(socket, 'data');
  } finally {
    socket.destroy();
  }
}
