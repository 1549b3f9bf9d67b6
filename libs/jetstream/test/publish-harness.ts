import { jest } from '@jest/globals';
import { jetstreamManager, type JetStreamManager, type StreamConfig } from '@nats-io/jetstream';
import {
  JetStreamConnection,
  JetStreamPublisher,
  PublishError,
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
  /** The error that publishing the message ends with. */
  failure(message: OutgoingMessage): Promise<PublishError>;
  /** Answers in place of a stream, the last answer again and again; returns the message ids it saw. */
  answerWith(answers: readonly object[]): Promise<string[]>;
  close(): Promise<void>;
}

/** Time passes no more unless Jest advances its timers; bytes still move. */
export function stopClock(): void {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
}

/** Nothing that is measured by the clock of the process times out any more; timers still run. */
export function freezeClock(): void {
  jest.spyOn(performance, 'now').mockReturnValue(performance.now());
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
    failure: async (message) => {
      const error: unknown = await publisher.publish(message).catch((thrown: unknown) => thrown);
      if (error instanceof PublishError) return error;
      throw new Error(`expected a PublishError, got ${String(error)}`);
    },
    answerWith: async (answers) => {
      const ids: string[] = [];
      bystander.nc.subscribe(`${root}.>`, {
        callback: (_, message) => {
          const answer = answers[Math.min(ids.length, answers.length - 1)];
          ids.push(message.headers?.get('Nats-Msg-Id') ?? '');
          message.respond(JSON.stringify(answer));
        },
      });
      await bystander.nc.flush();
      return ids;
    },
    close: async () => {
      await connection.onApplicationShutdown();
      await bystander.close();
    },
  };
}
