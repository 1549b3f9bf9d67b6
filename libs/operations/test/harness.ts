import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { connect, headers as createHeaders, type NatsConnection } from '@nats-io/transport-node';
import type { INestApplication, Type } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { connectJetStream, JetStreamModule, type StreamDefinition } from '@slipstream/jetstream';
import { natsUrl, uniqueName, waitFor } from '@slipstream/testing';

/** A stream of a test's own: `subject('a')` lies in it. */
export interface OperatedStream extends StreamDefinition {
  readonly subject: (name: string) => string;
}

export function operatedStream(): OperatedStream {
  const name = uniqueName('S').toUpperCase();
  const root = name.toLowerCase();
  return {
    name,
    subjects: [`${root}.events.>`],
    deadLetterSubject: `${root}.dlq`,
    subject: (suffix) => `${root}.events.${suffix}`,
  };
}

/** A service with the controllers on the stream. */
export async function startService(stream: StreamDefinition, controllers: Type[]): Promise<INestApplication> {
  const module = await Test.createTestingModule({
    imports: [
      JetStreamModule.forRoot({ service: 'test', connection: { servers: natsUrl() }, streams: [stream] }),
    ],
    controllers,
  }).compile();
  const app = module.createNestApplication(new FastifyAdapter(), { logger: ['fatal'] });
  connectJetStream(app);
  await app.init();
  await app.startAllMicroservices();
  return app;
}

/** The operator's connection, and what a test looks at. */
export class OperatedServer {
  private constructor(
    readonly nc: NatsConnection,
    readonly manager: JetStreamManager,
  ) {}

  static async connect(): Promise<OperatedServer> {
    const nc = await connect({ servers: natsUrl() });
    return new OperatedServer(nc, await jetstreamManager(nc));
  }

  async publish(subject: string, body: string, messageId = uniqueName('m'), big = ''): Promise<number> {
    const headers = createHeaders();
    if (big) headers.set('x-big', big);
    return (await this.manager.jetstream().publish(subject, body, { msgID: messageId, headers })).seq;
  }

  async count(stream: string): Promise<number> {
    return (await this.manager.streams.info(stream)).state.messages;
  }

  /** Waits until the stream has so many dead letters. */
  async deadLetters(stream: string, count: number): Promise<void> {
    await waitFor(`${count} dead letters`, async () => (await this.count(`${stream}_DLQ`)) === count);
  }

  /** Waits until the redrive consumer of a durable has nothing left to do. */
  async redriven(stream: string, durable: string): Promise<void> {
    await waitFor('the redrives to be handled', async () => {
      const info = await this.manager.consumers.info('OPERATIONS', `${stream}__${durable}`);
      return info.num_pending === 0 && info.num_ack_pending === 0;
    });
  }

  /** Subjects and headers that operators left about a stream. */
  async records(stream: string): Promise<{ subject: string; header: (name: string) => string }[]> {
    const { state } = await this.manager.streams.info('OPERATIONS');
    const found = [];
    for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
      const message = await this.manager.streams.getMessage('OPERATIONS', { seq });
      if (message?.subject.includes(`.${stream}.`)) {
        found.push({ subject: message.subject, header: (name: string) => message.header.get(name) });
      }
    }
    return found;
  }

  async close(): Promise<void> {
    await this.nc.close();
  }
}
