import {
  JetStreamApiError,
  type ConsumerInfo,
  type JetStreamManager,
  type StreamInfo,
} from '@nats-io/jetstream';
import { OPERATIONS_STREAM, redriveDurable } from '@slipstream/jetstream';
import { NoRedriveConsumerError, NotFoundError } from './operations-errors.js';

const STREAM_NOT_FOUND = 10_059;
const CONSUMER_NOT_FOUND = 10_014;

/** @throws NotFoundError naming the streams there are */
export async function requireStream(manager: JetStreamManager, stream: string): Promise<StreamInfo> {
  try {
    return await manager.streams.info(stream);
  } catch (error) {
    if (!hasCode(error, STREAM_NOT_FOUND)) throw error;
    const names = await collect(manager.streams.names());
    throw new NotFoundError(`there is no stream ${stream}`, oneOf(names), { cause: error });
  }
}

/**
 * The consumers that a declared durable has on the server: one of its name, or `<durable>-p<number>` for each partition
 * when it keeps an order.
 * @throws NotFoundError naming the consumers there are
 */
export async function requireConsumers(
  manager: JetStreamManager,
  stream: string,
  durable: string,
): Promise<[ConsumerInfo, ...ConsumerInfo[]]> {
  await requireStream(manager, stream);
  const single = await findConsumer(manager, stream, durable);
  if (single) return [single];
  const all = await collect(manager.consumers.list(stream));
  const [first, ...others] = all.filter(({ name }) => isPartition(name, durable));
  if (first) return [first, ...others];
  const names = all.map(({ name }) => name);
  throw new NotFoundError(`stream ${stream} has no consumer ${durable}`, oneOf(names));
}

/** True for the consumer of a durable and for each of its partitions. */
export function isPartitionOf(name: string, durable: string): boolean {
  return name === durable || isPartition(name, durable);
}

export function isStreamMissing(error: unknown): boolean {
  return hasCode(error, STREAM_NOT_FOUND);
}

function isPartition(name: string, durable: string): boolean {
  return name.startsWith(`${durable}-p`) && /^\d+$/.test(name.slice(durable.length + 2));
}

/** @throws NoRedriveConsumerError when nobody would ever take what is sent to the consumer again */
export async function requireRedrives(
  manager: JetStreamManager,
  stream: string,
  consumer: string,
): Promise<void> {
  if (await findConsumer(manager, OPERATIONS_STREAM.name, redriveDurable(stream, consumer))) return;
  throw new NoRedriveConsumerError(
    `no service takes redrives for consumer ${consumer} of ${stream}`,
    'Start the service that declares it, or create its consumers with "streams apply".',
  );
}

/** @returns undefined when there is none, or no such stream */
export async function findConsumer(
  manager: JetStreamManager,
  stream: string,
  consumer: string,
): Promise<ConsumerInfo | undefined> {
  try {
    return await manager.consumers.info(stream, consumer);
  } catch (error) {
    if (hasCode(error, CONSUMER_NOT_FOUND) || hasCode(error, STREAM_NOT_FOUND)) return undefined;
    throw error;
  }
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

function oneOf(names: readonly string[]): string {
  return names.length > 0 ? `Take one of ${names.toSorted().join(', ')}.` : 'There is none yet.';
}

function hasCode(error: unknown, code: number): boolean {
  return error instanceof JetStreamApiError && error.code === code;
}
