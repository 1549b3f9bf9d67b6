import {
  DiscardPolicy,
  JetStreamApiError,
  RetentionPolicy,
  StorageType,
  type JetStreamManager,
  type StreamConfig,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import { Logger } from '@nestjs/common';
import type { JetStreamConnection } from '../connection.js';
import type { ConsumerPosition } from '../observer.js';
import type { ConsumerPlan } from '../server/routes.js';
import { consumerConfig, differs, isSame } from './consumer-config.js';
import type { StreamDefinition } from './stream-definition.js';

const DUPLICATE_WINDOW_MS = 2 * 60_000;
/** A process that crashed between the copy and the ack repeats the copy; this window makes it the same one. */
const DEAD_LETTER_DUPLICATE_WINDOW_MS = 60 * 60_000;
/** First server API level that knows atomic batches (2.12). */
const ATOMIC_BATCH_API_LEVEL = 2;
const STREAM_NOT_FOUND = 10_059;
const CONSUMER_NOT_FOUND = 10_014;
const STREAM_NAME_IN_USE = 10_058;

/** Keeps the server's notices of messages it gave up on, which it sends only once. */
export const ADVISORY_STREAM: StreamDefinition = {
  name: 'ADVISORIES',
  subjects: ['$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>', '$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.>'],
  deadLetterSubject: '',
};

type StreamSettings = Partial<StreamConfig> & Pick<StreamConfig, 'name' | 'subjects'>;

/** Creates the streams and durable consumers this process needs. Every call may be repeated and raced. */
export class Topology {
  private readonly logger = new Logger(Topology.name);

  constructor(
    private readonly connection: JetStreamConnection,
    private readonly replicas: number,
  ) {}

  /** Creates each stream, its dead-letter stream and the advisory stream where they are missing. */
  async ensureStreams(definitions: readonly StreamDefinition[]): Promise<void> {
    const manager = await this.connection.manager();
    const { api } = await manager.getAccountInfo();
    const isAtomic = (api.level ?? 0) >= ATOMIC_BATCH_API_LEVEL;
    for (const definition of definitions) {
      await this.ensureStream(manager, {
        ...this.streamSettings(definition.name, definition.subjects, DUPLICATE_WINDOW_MS),
        ...(isAtomic ? { allow_atomic: true } : {}),
      });
      await this.ensureStream(
        manager,
        this.streamSettings(
          `${definition.name}_DLQ`,
          [definition.deadLetterSubject],
          DEAD_LETTER_DUPLICATE_WINDOW_MS,
        ),
      );
    }
    await this.ensureStream(
      manager,
      this.streamSettings(ADVISORY_STREAM.name, ADVISORY_STREAM.subjects, DUPLICATE_WINDOW_MS),
    );
  }

  /** Creates the durable of a plan, or brings the settings that may change up to date. */
  async ensureConsumer(plan: ConsumerPlan): Promise<void> {
    const manager = await this.connection.manager();
    const stream = plan.stream.name;
    const wanted = consumerConfig(plan);
    try {
      const { config } = await manager.consumers.info(stream, plan.options.durable);
      if (differs(config, wanted)) {
        // The client merges into what is there, and the server refuses a consumer with both kinds of filter.
        await manager.consumers.update(stream, plan.options.durable, {
          ...wanted,
          filter_subject: undefined,
        });
      }
    } catch (error) {
      if (!hasCode(error, CONSUMER_NOT_FOUND)) throw error;
      await manager.consumers.add(stream, wanted);
      this.logger.log({ stream, consumer: plan.options.durable }, 'consumer created');
    }
  }

  async positions(plans: readonly ConsumerPlan[]): Promise<ConsumerPosition[]> {
    const manager = await this.connection.manager();
    return Promise.all(
      plans.map(async ({ stream, options }) => {
        const info = await manager.consumers.info(stream.name, options.durable);
        return {
          stream: stream.name,
          consumer: options.durable,
          pending: info.num_pending,
          ackPending: info.num_ack_pending,
          redelivered: info.num_redelivered,
        };
      }),
    );
  }

  private streamSettings(name: string, subjects: readonly string[], windowMs: number): StreamSettings {
    return {
      name,
      subjects: [...subjects],
      storage: StorageType.File,
      retention: RetentionPolicy.Limits,
      discard: DiscardPolicy.New,
      duplicate_window: nanos(windowMs),
      num_replicas: this.replicas,
    };
  }

  private async ensureStream(manager: JetStreamManager, wanted: StreamSettings): Promise<void> {
    try {
      const { config } = await manager.streams.info(wanted.name);
      const drift = Object.entries(wanted).filter(
        ([key, value]) => !isSame(config[key as keyof StreamConfig], value),
      );
      if (drift.length > 0) {
        // Changing a stream that others rely on is an operator's decision, not a side effect of a start.
        const fields = drift.map(([key]) => key);
        this.logger.warn(
          { stream: wanted.name, fields },
          'stream differs from its declaration and is left as it is',
        );
      }
    } catch (error) {
      if (!hasCode(error, STREAM_NOT_FOUND)) throw error;
      await this.createStream(manager, wanted);
    }
  }

  private async createStream(manager: JetStreamManager, wanted: StreamSettings): Promise<void> {
    try {
      await manager.streams.add(wanted);
      this.logger.log({ stream: wanted.name }, 'stream created');
    } catch (error) {
      // Another process was faster, with other settings.
      if (!hasCode(error, STREAM_NAME_IN_USE)) throw error;
    }
  }
}

function hasCode(error: unknown, code: number): boolean {
  return error instanceof JetStreamApiError && error.code === code;
}
