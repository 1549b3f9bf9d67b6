import { jetstreamManager, type ConsumerInfo, type StreamInfo } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { OPERATIONS_STREAM, redriveDurable } from '@slipstream/jetstream';
import { InvalidRequestError, ServerTooOldForOperationError } from './operations-errors.js';
import { collect, findConsumer, requireConsumers, requireStream } from './server-state.js';

/** First API level that pauses consumers (nats-server 2.11). */
const PAUSE_API_LEVEL = 1;

/** A stream and how full it is. Times are ISO 8601; null is none. */
export interface StreamOverview {
  readonly name: string;
  readonly subjects: readonly string[];
  readonly messages: number;
  readonly bytes: number;
  readonly firstSequence: number;
  readonly firstAt: string | null;
  readonly lastSequence: number;
  readonly lastAt: string | null;
  readonly maxAgeMs: number | null;
  readonly maxBytes: number | null;
  readonly replicas: number;
  readonly consumers: number;
}

/** A consumer and how far it is. */
export interface ConsumerOverview {
  readonly stream: string;
  readonly name: string;
  readonly filters: readonly string[];
  /** Messages not delivered yet. */
  readonly lag: number;
  /** Messages delivered and not settled yet. */
  readonly ackPending: number;
  /** Of those, delivered more than once. */
  readonly redelivered: number;
  /** Sequence up to which everything is settled. */
  readonly ackFloor: number;
  /** Deliveries settled so far, up to the first that is not. */
  readonly settled: number;
  readonly lastDeliveredAt: string | null;
  readonly pausedUntil: string | null;
}

/** What streams and consumers there are, and whether consumers run. */
export class Inventory {
  constructor(private readonly nc: NatsConnection) {}

  async streams(): Promise<StreamOverview[]> {
    const manager = await this.manager();
    const infos = await collect(manager.streams.list());
    return infos.map(toStreamOverview).toSorted((a, b) => a.name.localeCompare(b.name));
  }

  /** All of it. */
  async survey(): Promise<{ streams: StreamOverview[]; consumers: ConsumerOverview[] }> {
    const streams = await this.streams();
    const populated = streams.filter(({ consumers }) => consumers > 0);
    return { streams, consumers: await this.consumersOf(populated.map(({ name }) => name)) };
  }

  /** @throws NotFoundError when there is no such stream */
  async consumers(stream?: string): Promise<ConsumerOverview[]> {
    if (stream === undefined) return (await this.survey()).consumers;
    const { config } = await requireStream(await this.manager(), stream);
    return this.consumersOf([config.name]);
  }

  private async consumersOf(names: readonly string[]): Promise<ConsumerOverview[]> {
    const manager = await this.manager();
    const lists = await Promise.all(names.map((name) => collect(manager.consumers.list(name))));
    return lists.flatMap((infos) =>
      infos.map(toConsumerOverview).toSorted((a, b) => a.name.localeCompare(b.name)),
    );
  }

  /**
   * Has the server deliver nothing to a durable, in any process and partition, until then. What was delivered goes on.
   * @throws NotFoundError, InvalidRequestError, ServerTooOldForOperationError
   */
  async pause(stream: string, consumer: string, until: Date): Promise<ConsumerOverview> {
    if (!(until.getTime() > Date.now())) {
      throw new InvalidRequestError('the end of the pause is not in the future', 'Give a later time.');
    }
    return this.setPause(stream, consumer, until);
  }

  /** @throws NotFoundError, ServerTooOldForOperationError */
  async resume(stream: string, consumer: string): Promise<ConsumerOverview> {
    return this.setPause(stream, consumer, undefined);
  }

  private async setPause(
    stream: string,
    consumer: string,
    until: Date | undefined,
  ): Promise<ConsumerOverview> {
    const manager = await this.manager();
    const infos = await requireConsumers(manager, stream, consumer);
    const { api } = await manager.getAccountInfo();
    if ((api.level ?? 0) < PAUSE_API_LEVEL) {
      throw new ServerTooOldForOperationError(
        `nats-server ${this.nc.info?.version} cannot pause consumers, 2.11 can`,
        'Upgrade the server, or stop the processes of the service.',
      );
    }
    const set = (on: string, name: string) =>
      until ? manager.consumers.pause(on, name, until) : manager.consumers.resume(on, name);
    // What operators send it again would otherwise pass the pause.
    const redrives = redriveDurable(stream, consumer);
    if (await findConsumer(manager, OPERATIONS_STREAM.name, redrives)) {
      await set(OPERATIONS_STREAM.name, redrives);
    }
    await Promise.all(infos.map(({ name }) => set(stream, name)));
    return sumUp(consumer, await requireConsumers(manager, stream, consumer));
  }

  private manager() {
    return jetstreamManager(this.nc, { checkAPI: false });
  }
}

/** Partitions of a durable as one. */
function sumUp(durable: string, [first, ...others]: [ConsumerInfo, ...ConsumerInfo[]]): ConsumerOverview {
  const total = { ...toConsumerOverview(first), name: durable };
  return others.map(toConsumerOverview).reduce(
    (sum, { lag, ackPending, redelivered, ackFloor, settled }) => ({
      ...sum,
      lag: sum.lag + lag,
      ackPending: sum.ackPending + ackPending,
      redelivered: sum.redelivered + redelivered,
      ackFloor: Math.min(sum.ackFloor, ackFloor),
      settled: sum.settled + settled,
    }),
    total,
  );
}

function toStreamOverview({ config, state }: StreamInfo): StreamOverview {
  const isEmpty = state.messages === 0;
  return {
    name: config.name,
    subjects: config.subjects ?? [],
    messages: state.messages,
    bytes: state.bytes,
    firstSequence: state.first_seq,
    firstAt: isEmpty ? null : state.first_ts,
    lastSequence: state.last_seq,
    lastAt: state.last_seq === 0 ? null : state.last_ts,
    maxAgeMs: config.max_age > 0 ? config.max_age / 1e6 : null,
    maxBytes: config.max_bytes > 0 ? config.max_bytes : null,
    replicas: config.num_replicas,
    consumers: state.consumer_count,
  };
}

function toConsumerOverview(info: ConsumerInfo): ConsumerOverview {
  const { config } = info;
  const single = config.filter_subject ? [config.filter_subject] : [];
  const pausedUntil = config.pause_until ?? null;
  // The client declares a number; the server sends a time.
  const { last_active: lastActive } = info.delivered as { last_active?: unknown };
  return {
    stream: info.stream_name,
    name: info.name,
    filters: config.filter_subjects ?? single,
    lag: info.num_pending,
    ackPending: info.num_ack_pending,
    redelivered: info.num_redelivered,
    ackFloor: info.ack_floor.stream_seq,
    settled: info.ack_floor.consumer_seq,
    lastDeliveredAt: typeof lastActive === 'string' ? lastActive : null,
    // The server keeps the time of a pause that is over.
    pausedUntil: pausedUntil !== null && Date.parse(pausedUntil) > Date.now() ? pausedUntil : null,
  };
}
