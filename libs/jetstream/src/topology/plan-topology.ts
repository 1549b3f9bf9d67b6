import {
  JetStreamApiError,
  type ConsumerConfig,
  type ConsumerInfo,
  type JetStreamManager,
} from '@nats-io/jetstream';
import type { TopologyChange } from './change.js';
import { compareConsumer, type ConsumerSettings } from './compare-consumers.js';
import { compareStream, type ActualStream } from './compare-streams.js';
import type { TopologyDeclaration } from './declaration.js';
import type { StreamSettings } from './stream-config.js';

const STREAM_NOT_FOUND = 10_059;
const CONSUMER_NOT_FOUND = 10_014;
/** Another process was faster, with other settings. */
const STREAM_NAME_IN_USE = 10_058;
const CONSUMER_EXISTS = 10_148;

export interface ApplyOptions {
  /**
   * Also applies what needs a migration.
   * @default false
   */
  readonly migrates?: boolean;
}

/** Says what would change on the server; changes nothing. */
export async function planTopology(
  manager: JetStreamManager,
  { streams, consumers, isOver }: TopologyDeclaration,
): Promise<TopologyChange[]> {
  const changes: TopologyChange[] = [];
  for (const wanted of streams) changes.push(...(await planStream(manager, wanted)));
  if (isOver) changes.push(...(await planSeals(manager, isOver)));
  for (const wanted of consumers) changes.push(...(await planConsumer(manager, wanted)));
  return changes;
}

/**
 * Brings the server to the declaration as far as the classes of change allow. Compares again right before each change, so
 * that nothing is applied that was true only when somebody looked. May be repeated and raced.
 * @returns what was changed; what was left shows in a plan made afterwards
 */
export async function applyTopology(
  manager: JetStreamManager,
  { streams, consumers, isOver }: TopologyDeclaration,
  { migrates = false }: ApplyOptions = {},
): Promise<TopologyChange[]> {
  const isAllowed = (change: TopologyChange) =>
    change.class === 'safe' || (migrates && change.class === 'needs-migration');
  const applied: TopologyChange[] = [];
  for (const wanted of streams) {
    const changes = (await planStream(manager, wanted)).filter(isAllowed);
    await changeStream(manager, wanted, changes);
    applied.push(...changes);
  }
  for (const change of isOver ? await planSeals(manager, isOver) : []) {
    await manager.streams.update(change.stream, valuesOf([change]));
    applied.push(change);
  }
  for (const wanted of consumers) {
    const changes = (await planConsumer(manager, wanted)).filter(isAllowed);
    await changeConsumer(manager, wanted, changes);
    applied.push(...changes);
  }
  return applied;
}

async function planSeals(
  manager: JetStreamManager,
  isOver: (stream: string) => boolean,
): Promise<TopologyChange[]> {
  const changes: TopologyChange[] = [];
  for await (const { config } of manager.streams.list()) {
    if (config.sealed || !isOver(config.name)) continue;
    changes.push({
      class: 'safe',
      action: 'update',
      stream: config.name,
      field: 'sealed',
      actual: false,
      wanted: true,
      description: `stream ${config.name} is sealed; nothing in it can change any more`,
    });
  }
  return changes;
}

/** Lists what differs for one stream. */
export async function planStream(
  manager: JetStreamManager,
  wanted: StreamSettings,
): Promise<TopologyChange[]> {
  return compareStream(await streamInfo(manager, wanted.name), wanted);
}

/** Lists what differs for one consumer. */
export async function planConsumer(
  manager: JetStreamManager,
  wanted: ConsumerSettings,
): Promise<TopologyChange[]> {
  const info = await consumerInfo(manager, wanted.stream, wanted.config.durable_name);
  return compareConsumer(info?.config, wanted);
}

/** Applies the changes of one stream, none of them refused. */
export async function changeStream(
  manager: JetStreamManager,
  wanted: StreamSettings,
  changes: readonly TopologyChange[],
): Promise<void> {
  if (changes.some(({ action }) => action === 'create')) {
    await ignoring(STREAM_NAME_IN_USE, () => manager.streams.add(wanted));
  } else if (changes.length > 0) {
    await manager.streams.update(wanted.name, valuesOf(changes));
  }
}

/** Applies the changes of one consumer, none of them refused. */
export async function changeConsumer(
  manager: JetStreamManager,
  { stream, config }: ConsumerSettings,
  changes: readonly TopologyChange[],
): Promise<void> {
  if (changes.some(({ action }) => action === 'create')) {
    await ignoring(CONSUMER_EXISTS, () => manager.consumers.add(stream, config));
  } else if (changes.length > 0) {
    const update: Partial<ConsumerConfig> = valuesOf(changes);
    // The client merges into what is there, and the server refuses a consumer with both kinds of filter.
    if (update.filter_subjects) update.filter_subject = undefined;
    await manager.consumers.update(stream, config.durable_name, update);
  }
}

/** Of several changes of one field the last one counts. */
function valuesOf(changes: readonly TopologyChange[]): Record<string, unknown> {
  return Object.fromEntries(changes.map(({ field = '', wanted }) => [field, wanted]));
}

async function streamInfo(manager: JetStreamManager, name: string): Promise<ActualStream | undefined> {
  return ignoring(STREAM_NOT_FOUND, () => manager.streams.info(name));
}

async function consumerInfo(
  manager: JetStreamManager,
  stream: string,
  durable: string,
): Promise<ConsumerInfo | undefined> {
  // In a plan made before the first apply the stream may be missing too.
  return ignoring(STREAM_NOT_FOUND, () =>
    ignoring(CONSUMER_NOT_FOUND, () => manager.consumers.info(stream, durable)),
  );
}

async function ignoring<T>(code: number, operation: () => Promise<T>): Promise<T | undefined> {
  try {
    return await operation();
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === code) return undefined;
    throw error;
  }
}
