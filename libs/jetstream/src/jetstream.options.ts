import type { NodeConnectionOptions } from '@nats-io/transport-node';
import { jsonCodec, type MessageCodec } from './codec.js';
import { InvalidOptionsError } from './errors.js';
import { FailureLog } from './failure-log.js';
import { GuardedObserver } from './guarded-observer.js';
import type { NatsCredentials } from './credentials.js';
import type { HandlerOverrides } from './handler.options.js';
import type { TransportObserver } from './observer.js';
import type { StreamDefinition, StreamLimits } from './topology/stream-definition.js';
import { findLimitProblems, findStreamProblems } from './topology/stream-problems.js';

/** Options of `JetStreamModule.forRoot`. */
export interface JetStreamOptions {
  /** Name of the service; becomes the connection's name and is stamped on dead letters. */
  readonly service: string;
  /**
   * Version of the service, stamped on dead letters.
   * @default '0.0.0'
   */
  readonly version?: string;
  /** Options of the NATS client, such as its servers. */
  readonly connection: NodeConnectionOptions;
  /**
   * How it proves who it is. Replaced files are noticed, and a new connection is made with them.
   * @default none
   */
  readonly credentials?: NatsCredentials;
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
   * Subjects it publishes on, each of which a start in `bind` mode makes sure of.
   * @default none
   */
  readonly publishes?: readonly string[];
  /**
   * Whether this process dead-letters messages that the server gave up on, for consumers configured elsewhere. One
   * service of a system is enough; it must be allowed to read the messages of every stream.
   * @default true in `ensure` mode, false in `bind` mode
   */
  readonly sweepsAdvisories?: boolean;
  /**
   * Turns the bytes of a message into a payload, for all handlers that are not `raw`.
   * @default plain JSON
   */
  readonly codec?: MessageCodec;
  /**
   * Is told of every delivery that was settled and every message that was published.
   * @default a log of the failures, by Nest's logger
   */
  readonly observer?: TransportObserver;
  /**
   * Whether spans are made and contexts carried on, through the OpenTelemetry API. The process sets up the SDK.
   * @default false
   */
  readonly tracing?: boolean;
  /**
   * True for errors that say nothing about the message, such as those of a database that is away. The attempt is repeated
   * after 1 s, doubling to 30 s with jitter, for as long as it takes: it consumes none of `maxDeliver`, its batch is not
   * split, and nothing is dead-lettered for it. Terminal errors and decisions of the handler win. An error that one
   * message can cause at every attempt must not be among them: that message would be tried for ever. For that reason it is
   * not asked about `timeoutMs`, which a message may exceed as well as a dependency that hangs.
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

type Optional = 'credentials' | 'publishes';

export interface ResolvedJetStreamOptions
  extends Required<Omit<JetStreamOptions, Optional>>, Pick<JetStreamOptions, Optional> {}

/** The server's limit. */
const MOST_REPLICAS = 5;

const DEFAULTS = {
  version: '0.0.0',
  replicas: 1,
  limits: {},
  topology: 'ensure',
  codec: jsonCodec,
  observer: new FailureLog(),
  tracing: false,
  isOutage: () => false,
  handlers: {},
  shutdownTimeoutMs: 20_000,
} satisfies Partial<JetStreamOptions>;

/**
 * Completes the options.
 * @throws InvalidOptionsError
 */
export function resolveJetStreamOptions(options: JetStreamOptions): ResolvedJetStreamOptions {
  const problems = [
    ...findModuleProblems(options),
    ...findLimitProblems('the module', options.limits),
    ...findStreamProblems(options.streams),
  ];
  if (problems.length > 0) throw new InvalidOptionsError(problems);
  const { topology = DEFAULTS.topology } = options;
  const resolved = { ...DEFAULTS, sweepsAdvisories: topology !== 'bind', ...given(options) };
  return { ...resolved, observer: new GuardedObserver(resolved.observer) };
}

/** What is written as undefined is left open, too. */
function given(options: JetStreamOptions): JetStreamOptions {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as unknown as JetStreamOptions;
}

function findModuleProblems({
  service,
  replicas = 1,
  topology = 'ensure',
  shutdownTimeoutMs = 0,
}: JetStreamOptions): string[] {
  const problems: string[] = [];
  if (!service) problems.push('service must be a name');
  if (!(Number.isInteger(replicas) && replicas >= 1 && replicas <= MOST_REPLICAS)) {
    problems.push(`replicas must be a whole number from 1 to ${MOST_REPLICAS} and is ${replicas}`);
  }
  if (topology !== 'ensure' && topology !== 'bind') {
    problems.push(`topology "${String(topology)}" is unknown; choose ensure or bind`);
  }
  if (!(shutdownTimeoutMs >= 0)) {
    problems.push(`shutdownTimeoutMs must be 0 or more and is ${shutdownTimeoutMs}`);
  }
  return problems;
}
