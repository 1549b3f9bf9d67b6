import {
  JetStreamError,
  jetstreamManager,
  type ConsumerInfo,
  type JetStreamManager,
  type StreamInfo,
} from '@nats-io/jetstream';
import { nanos, TimeoutError, type NatsConnection } from '@nats-io/transport-node';
import { planTopology, type TopologyChange, type TopologyDeclaration } from '@slipstream/jetstream';
import { readMetrics, type Sample } from './metrics-text.js';
import { collect } from './server-state.js';

const ANSWER_TIMEOUT_MS = 5_000;
const NANOS_PER_MS = nanos(1);
/** Operations that a replica may be behind: while messages come, one or the other always is. */
const MOST_LAG = 1_000;

/** A stream, as far as it decides what survives. */
export interface StreamFacts {
  readonly name: string;
  readonly replicas: number;
  /** Names of replicas that are offline or far behind. */
  readonly lacking: readonly string[];
  readonly duplicateWindowMs: number;
}

export interface ConsumerFacts {
  readonly stream: string;
  readonly name: string;
  readonly ackWaitMs: number;
}

/** When the server writes what it acknowledged to the disk. */
export interface SyncFacts {
  readonly isAlways: boolean;
  readonly intervalMs: number;
}

/** What a service says of itself; undefined samples: it did not answer. */
export interface ServiceFacts {
  /** Where it was asked. */
  readonly url: string;
  readonly samples: readonly Sample[] | undefined;
}

/** What a database says of itself. */
export interface DatabaseFacts {
  /** As `server_version_num`, such as 180004. */
  readonly versionNumber: number;
  readonly fsync: string;
  readonly synchronousCommit: string;
}

/** All that a diagnosis rests on. */
export interface SystemFacts {
  readonly serverVersion: string;
  readonly streams: readonly StreamFacts[];
  readonly consumers: readonly ConsumerFacts[];
  /** Where the server's monitoring was asked, and what it said; undefined when it did not answer. */
  readonly monitor: { readonly url: string; readonly sync: SyncFacts | undefined };
  readonly services: readonly ServiceFacts[];
  readonly database: DatabaseFacts | 'unnamed' | 'unreachable';
  /** What differs from the declaration, or why the server could not tell. */
  readonly drift: readonly TopologyChange[] | { readonly failure: string };
}

/** Where to ask, and what things should be like. */
export interface SystemSources {
  /** Base URL of the HTTP monitoring of a NATS server. */
  readonly monitorUrl: string;
  /** Base URLs of the services. */
  readonly serviceUrls: readonly string[];
  /** What the code declares, in the terms of the server at hand. */
  readonly declare: (manager: JetStreamManager) => Promise<TopologyDeclaration>;
  readonly askDatabase: () => Promise<SystemFacts['database']>;
}

/** Asks everybody at once. Whoever does not answer is told of in the facts; only a server that is gone is an error. */
export async function gatherFacts(nc: NatsConnection, sources: SystemSources): Promise<SystemFacts> {
  const [server, drift, monitor, services, database] = await Promise.all([
    askServer(nc),
    findDrift(nc, sources.declare),
    askMonitor(sources.monitorUrl),
    askServices(sources.serviceUrls),
    sources.askDatabase(),
  ]);
  return { ...server, monitor, services, database, drift };
}

async function findDrift(
  nc: NatsConnection,
  declare: SystemSources['declare'],
): Promise<SystemFacts['drift']> {
  const manager = await jetstreamManager(nc, { checkAPI: false });
  const declaration = await declare(manager);
  try {
    return await planTopology(manager, declaration);
  } catch (error) {
    // As of a stream whose servers have no majority: what else there is to say is said all the same.
    if (error instanceof JetStreamError || error instanceof TimeoutError) return { failure: error.message };
    throw error;
  }
}

/** Asks the server for its streams and consumers. */
async function askServer(
  nc: NatsConnection,
): Promise<Pick<SystemFacts, 'serverVersion' | 'streams' | 'consumers'>> {
  const manager = await jetstreamManager(nc, { checkAPI: false });
  const streams = await collect(manager.streams.list());
  const consumers = await Promise.all(
    streams.map(({ config }) => collect(manager.consumers.list(config.name))),
  );
  return {
    serverVersion: nc.info?.version ?? '',
    streams: streams.map(toStream),
    consumers: consumers.flat().map(toConsumer),
  };
}

/**
 * Asks the HTTP monitoring of one NATS server, which alone knows when it syncs.
 * @param baseUrl without a slash at its end
 */
async function askMonitor(baseUrl: string): Promise<SystemFacts['monitor']> {
  const url = `${baseUrl}/jsz?config=true`;
  const text = await textAt(url);
  return { url, sync: text === undefined ? undefined : readSync(text) };
}

/** @returns undefined for what is no answer of a NATS server */
function readSync(text: string): SyncFacts | undefined {
  try {
    const { config } = JSON.parse(text) as { config?: { sync_interval?: number; sync_always?: boolean } };
    if (config?.sync_interval === undefined) return undefined;
    return { isAlways: config.sync_always === true, intervalMs: config.sync_interval / NANOS_PER_MS };
  } catch {
    return undefined;
  }
}

/**
 * Asks services for what they have measured.
 * @param baseUrls without a slash at their ends
 */
function askServices(baseUrls: readonly string[]): Promise<ServiceFacts[]> {
  return Promise.all(
    baseUrls.map(async (baseUrl) => {
      const url = `${baseUrl}/metrics`;
      const text = await textAt(url);
      return { url, samples: text === undefined ? undefined : readMetrics(text) };
    }),
  );
}

/** @returns undefined when nobody answers there, or not with success */
async function textAt(url: string): Promise<string | undefined> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) });
    return answer.ok ? await answer.text() : undefined;
  } catch {
    return undefined;
  }
}

function toStream({ config, cluster }: StreamInfo): StreamFacts {
  const lacking = (cluster?.replicas ?? []).filter(({ offline, lag }) => offline || lag > MOST_LAG);
  return {
    name: config.name,
    replicas: config.num_replicas,
    lacking: lacking.map(({ name }) => name),
    duplicateWindowMs: config.duplicate_window / NANOS_PER_MS,
  };
}

function toConsumer({ stream_name, name, config }: ConsumerInfo): ConsumerFacts {
  return { stream: stream_name, name, ackWaitMs: (config.ack_wait ?? 0) / NANOS_PER_MS };
}
