import { jetstreamManager, type JetStreamManager, type StreamConfig } from '@nats-io/jetstream';
import {
  JetStreamConnection,
  JetStreamPublisher,
  type OutgoingMessage,
  type PublishedMessage,
} from '@slipstream/jetstream';
import { natsUrl, uniqueName } from '@slipstream/testing';
import { Bystander } from './harness.js';

/** A publisher on a connection of its own, and a client beside it that sets the scene. */
export interface PublishScene {
  readonly connection: JetStreamConnection;
  readonly publisher: JetStreamPublisher;
  readonly published: PublishedMessage[];
  readonly bystander: Bystander;
  readonly manager: JetStreamManager;
  /** Unique for the test; streams hold `<root>.>` unless they say otherwise. */
  readonly root: string;
  addStream(config?: Partial<StreamConfig>): Promise<string>;
  message(suffix: string, fields?: Partial<OutgoingMessage>): OutgoingMessage;
  close(): Promise<void>;
}

export async function openPublishScene(servers = natsUrl()): Promise<PublishScene> {
  const connection = await JetStreamConnection.open({ servers }, 1);
  const published: PublishedMessage[] = [];
  const publisher = new JetStreamPublisher(connection, {
    settled: () => undefined,
    published: (message) => published.push(message),
  });
  const bystander = await Bystander.connect(servers);
  const manager = await jetstreamManager(bystander.nc);
  const root = uniqueName('p');
  return {
    connection,
    publisher,
    published,
    bystander,
    manager,
    root,
    addStream: async (config = {}) => {
      const name = config.name ?? root.toUpperCase();
      await manager.streams.add({ name, subjects: [`${root}.>`], ...config });
      return name;
    },
    message: (suffix, fields = {}) => ({
      subject: `${root}.${suffix}`,
      data: Buffer.from(JSON.stringify(suffix)),
      ...fields,
    }),
    close: async () => {
      await connection.onApplicationShutdown();
      await bystander.close();
    },
  };
}
