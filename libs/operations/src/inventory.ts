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
  /** Deliveries so far, repeated ones included. */
  readonly deliveries: number;
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

  /** All streams and their durables, without consumers that come and go with whoever reads something. */
  async survey(): Promise<{ streams: StreamOverview[]; consumers: ConsumerOverview[] }> {
    const streams = await this.streams();
    const populated = streams.filter(({ consumers }) => consumers > 0).map(({ name }) => name);
    const infos = await this.consumersOf(populated);
    const durables = infos.filter(({ config }) => config.durable_name !== undefined);
    return { streams, consumers: durables.map(toConsumerOverview) };
  }

  /** @throws NotFoundError when there is no such stream */
  async consumers(stream?: string): Promise<ConsumerOverview[]> {
    const names =
      stream === undefined
        ? (await this.streams()).map(({ name }) => name)
        : [(await requireStream(await this.manager(), stream)).config.name];
    return (await this.consumersOf(names)).map(toConsumerOverview);
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

  /** Stream by stream, each by name. */
  private async consumersOf(streams: readonly string[]): Promise<ConsumerInfo[]> {
    const manager = await this.manager();
    const lists = await Promise.all(streams.map((name) => collect(manager.consumers.list(name))));
    return lists.flatMap((infos) => infos.toSorted((a, b) => a.name.localeCompare(b.name)));
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
    (sum, { lag, ackPending, redelivered, ackFloor, deliveries, settled }) => ({
      ...sum,
      // Every partition reads every message and leaves those of the others.
      lag: Math.max(sum.lag, lag),
      ackPending: sum.ackPending + ackPending,
      redelivered: sum.redelivered + redelivered,
      ackFloor: Math.min(sum.ackFloor, ackFloor),
      deliveries: sum.deliveries + deliveries,
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
    deliveries: info.delivered.consumer_seq,
    settled: info.ack_floor.consumer_seq,
    lastDeliveredAt: typeof lastActive === 'string' ? lastActive : null,
    // The server keeps the time of a pause that is over.
    pausedUntil: pausedUntil !== null && Date.parse(pausedUntil) > Date.now() ? pausedUntil : null,
  };
}
