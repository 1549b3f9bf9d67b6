import type { NodeConnectionOptions } from '@nats-io/transport-node';
import { jsonCodec, type MessageCodec } from './codec.js';
import type { HandlerOverrides } from './handler.options.js';
import type { TransportObserver } from './observer.js';
import type { StreamDefinition, StreamLimits } from './topology/stream-definition.js';

export interface JetStreamOptions {
  /** Name of the service; becomes the connection's name and is stamped on dead letters. */
  readonly service: string;
  /** Version of the service, stamped on dead letters. */
  readonly version?: string;
  /** Options of the NATS client: servers, TLS, credentials. */
  readonly connection: NodeConnectionOptions;
  /** Streams that handlers read and publishers write; in `ensure` mode created at start where they are missing. */
  readonly streams: readonly StreamDefinition[];
  /**
   * Replicas of every stream this process creates.
   * @default 1
   */
  readonly replicas?: number;
  /**
   * Limits of the streams this process creates, dead letters excepted.
   * @default none
   */
  readonly limits?: StreamLimits;
  /**
   * `ensure`: creates missing streams and consumers at start and brings consumers up to date. `bind`: creates and changes
   * nothing, needs none of the permissions for it, and refuses to start when something is missing or not permitted.
   * @default 'ensure'
   */
  readonly topology?: 'ensure' | 'bind';
  /**
   * Whether this process dead-letters messages that the server gave up on, for consumers configured elsewhere. One
   * service of a system is enough; it must be allowed to read the messages of every stream.
   * @default true in `ensure` mode, false in `bind` mode
   */
  readonly sweepsAdvisories?: boolean;
  /** @default plain JSON */
  readonly codec?: MessageCodec;
  readonly observer?: TransportObserver;
  /**
   * True for errors that say nothing about the message, such as those of a database that is away. The attempt is repeated
   * after 1 s, doubling to 30 s with jitter, for as long as it takes: it consumes none of `maxDeliver`, its batch is not
   * split, and nothing is dead-lettered for it. Terminal errors and decisions of the handler win. An error that one
   * message can cause at every attempt must not be among them: that message would be tried for ever.
   * @default () => false
   */
  readonly isOutage?: (error: unknown) => boolean;
  /** Options by durable that win over those of the decorators, which cannot read configuration. */
  readonly handlers?: HandlerOverrides;
  /**
   * Milliseconds running handlers get to finish at shutdown before their signals are aborted.
   * @default 20000
   */
  readonly shutdownTimeoutMs?: number;
}

export interface ResolvedJetStreamOptions extends Required<JetStreamOptions> {}

const SILENT: TransportObserver = { settled: () => undefined, published: () => undefined };

export function resolveJetStreamOptions(options: JetStreamOptions): ResolvedJetStreamOptions {
  return {
    ...options,
    version: options.version ?? '0.0.0',
    replicas: options.replicas ?? 1,
    limits: options.limits ?? {},
    topology: options.topology ?? 'ensure',
    sweepsAdvisories: options.sweepsAdvisories ?? options.topology !== 'bind',
    codec: options.codec ?? jsonCodec,
    observer: options.observer ?? SILENT,
    isOutage: options.isOutage ?? (() => false),
    handlers: options.handlers ?? {},
    shutdownTimeoutMs: options.shutdownTimeoutMs ?? 20_000,
  };
}
