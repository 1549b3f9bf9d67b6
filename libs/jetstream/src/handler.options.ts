import {
  findDeliveryProblems,
  MAX_ACK_PENDING,
  resolveDeliveryOptions,
  type DeliveryOptions,
  type ResolvedDeliveryOptions,
} from './delivery-options.js';
import { findOrderProblems, type OrderedMessage } from './server/ordering-key.js';
import { findRetryProblems, type Backoff, type ErrorClass, type ErrorRetry } from './server/retry-policy.js';

/** How one consumer delivers to its handler. Several handlers may share a consumer. */
export interface HandlerOptions extends DeliveryOptions {
  /**
   * Name of the durable consumer on the server: letters, digits, `-` and `_`. With `ordered` and `broadcast` it names the
   * handler in logs, metrics and dead letters, and the consumers of the processes begin with it.
   */
  readonly durable: string;
  /**
   * Messages (or batches) handled at the same time by one process.
   * @default 16, for delivery `ordered` 1
   */
  readonly concurrency?: number;
  /**
   * Attempts before the message is dead-lettered.
   * @default 5
   */
  readonly maxDeliver?: number;
  /**
   * Milliseconds before the 2nd, 3rd, … attempt: a list, beyond which the last value doubles with full jitter up to
   * 5 minutes, or `{ first, cap }`, exponential with full jitter from the start.
   * @default [1000, 5000, 10000]
   */
  readonly backoffMs?: Backoff;
  /**
   * Other attempts and delays by the class of the error that the handler, a pipe or a guard threw; the first that
   * matches counts. Put subclasses before their base.
   * @default []
   */
  readonly retryByError?: readonly ErrorRetry[];
  /**
   * Errors that no later attempt can cure: the message is dead-lettered at once, as after a `TerminalError`.
   * @default []
   */
  readonly terminalErrors?: readonly ErrorClass[];
  /**
   * Milliseconds the server waits for a sign of life before it delivers again. Extended while the message is held.
   * @default 30000
   */
  readonly ackWaitMs?: number;
  /**
   * Milliseconds a handler may run before its signal is aborted and the message is tried again, as after an error. Below
   * `ackWaitMs`: a process that cannot extend for a while must not see its work done a second time beside it. The members of a
   * batch that are run one by one have it each.
   * @default two thirds of `ackWaitMs`
   */
  readonly timeoutMs?: number;
  /** Hands over arrays instead of single messages. */
  readonly batch?: BatchOptions;
  /**
   * Hands over the bytes as they came (`Uint8Array`) instead of the decoded payload.
   * @default false
   */
  readonly raw?: boolean;
  /**
   * Leaves out what this process published itself: it is acked without being decoded or handed over, and settled as
   * `ignored`. Only spares work: what other processes of the service published, what was published long ago and what an
   * operator sends again is handed over, and the handler must know it.
   * @default false
   */
  readonly noEcho?: boolean;
  /**
   * Names the key of a message, the id of an order for example. Messages of one key are handled one at a time and in the
   * order of the stream, through retries, crashes and changes of process; those of different keys run in parallel. The
   * same message must always have the same key. Needs nats-server 2.11.
   */
  orderBy?(this: void, message: OrderedMessage): string;
  /**
   * Shares into which `orderBy` divides the keys; a process takes one or more, and processes beyond their number stand by.
   * Every share reads the whole subject, so many cost much. Stays as it is while the consumers exist.
   * @default 4
   */
  readonly partitions?: number;
}

/** Options by the name of the durable. What a payload or an error class means is the handler's to say. */
export type HandlerOverrides = Readonly<
  Record<string, Omit<HandlerOptions, 'durable' | 'raw' | 'orderBy' | 'retryByError' | 'terminalErrors'>>
>;

/** How messages are gathered into a batch. */
export interface BatchOptions {
  /** Most messages of one batch. */
  readonly size: number;
  /** Milliseconds an incomplete batch waits for more messages; 0 hands over what is there. */
  readonly lingerMs: number;
}

export interface ResolvedHandlerOptions
  extends
    Required<Omit<HandlerOptions, 'batch' | 'orderBy' | keyof DeliveryOptions>>,
    ResolvedDeliveryOptions {
  readonly batch: BatchOptions | undefined;
  readonly orderBy: HandlerOptions['orderBy'] | undefined;
}

const DEFAULTS = {
  concurrency: 16,
  maxDeliver: 5,
  backoffMs: [1_000, 5_000, 10_000],
  retryByError: [],
  terminalErrors: [],
  ackWaitMs: 30_000,
  raw: false,
  noEcho: false,
  partitions: 4,
} as const;

/** Whoever waits longer for a batch is better served by a schedule. */
const LONGEST_LINGER_MS = 60_000;

/** Completes what a handler declares. */
export function resolveHandlerOptions(options: HandlerOptions): ResolvedHandlerOptions {
  const delivery = resolveDeliveryOptions(options);
  const ackWaitMs = options.ackWaitMs ?? DEFAULTS.ackWaitMs;
  return {
    ...delivery,
    durable: options.durable,
    concurrency: options.concurrency ?? (delivery.delivery === 'ordered' ? 1 : DEFAULTS.concurrency),
    maxDeliver: options.maxDeliver ?? DEFAULTS.maxDeliver,
    backoffMs: options.backoffMs ?? DEFAULTS.backoffMs,
    retryByError: options.retryByError ?? DEFAULTS.retryByError,
    terminalErrors: options.terminalErrors ?? DEFAULTS.terminalErrors,
    ackWaitMs,
    timeoutMs: options.timeoutMs ?? Math.ceil((ackWaitMs * 2) / 3),
    raw: options.raw ?? DEFAULTS.raw,
    batch: options.batch,
    noEcho: options.noEcho ?? DEFAULTS.noEcho,
    orderBy: options.orderBy,
    partitions: options.partitions ?? DEFAULTS.partitions,
  };
}

/** Names what is no option of a handler: a typing error in configuration would otherwise leave a default in place. */
export function findUnknownOptions(options: HandlerOptions): string[] {
  const known = Object.keys(resolveHandlerOptions(options));
  return Object.keys(options)
    .filter((name) => !known.includes(name))
    .map((name) => `there is no option "${name}"; there are ${known.join(', ')}`);
}

/** Says what is impossible about a declaration, one sentence each; empty when it can work. */
export function findProblems(options: ResolvedHandlerOptions): string[] {
  const problems: string[] = [];
  if (!/^[\w-]{1,128}$/.test(options.durable)) {
    problems.push(`durable "${options.durable}" must be 1 to 128 letters, digits, "-" or "_"`);
  }
  for (const field of ['concurrency', 'maxDeliver', 'ackWaitMs', 'timeoutMs'] as const) {
    if (!isPositiveInteger(options[field])) problems.push(`${field} must be a whole number above 0`);
  }
  if (options.timeoutMs >= options.ackWaitMs) {
    problems.push(`timeoutMs (${options.timeoutMs}) must be shorter than ackWaitMs (${options.ackWaitMs})`);
  }
  problems.push(...findRetryProblems(options), ...findDeliveryProblems(options));
  problems.push(...findBatchProblems(options), ...findOrderProblems(options));
  const mostUnacked = Math.max(MAX_ACK_PENDING, options.maxAckPending);
  if (windowOf(options) > mostUnacked) {
    problems.push(
      `concurrency and batch.size make a window of ${windowOf(options)} messages, above the ${mostUnacked} that ` +
        'the server hands out unacked; lower one of them',
    );
  }
  return problems;
}

function findBatchProblems({ batch, maxAckPending }: ResolvedHandlerOptions): string[] {
  if (!batch) return [];
  const problems: string[] = [];
  if (!isPositiveInteger(batch.size)) problems.push('batch.size must be a whole number above 0');
  if (!(batch.lingerMs >= 0 && batch.lingerMs <= LONGEST_LINGER_MS)) {
    problems.push(
      `batch.lingerMs must be from 0 to ${LONGEST_LINGER_MS} (a minute) and is ${batch.lingerMs}`,
    );
  }
  if (batch.size > maxAckPending) {
    problems.push(
      `batch.size (${batch.size}) is never reached above maxAckPending (${maxAckPending}); lower it`,
    );
  }
  return problems;
}

/** Units of work, messages or batches, that a process holds for each that may run: it, one that waits, one on its way. */
const UNITS_PER_RUNNING = 3;

/** Most messages one process holds, so that a slot never idles for a round trip. */
export function windowOf({ concurrency, batch }: ResolvedHandlerOptions): number {
  return UNITS_PER_RUNNING * concurrency * (batch?.size ?? 1);
}

function isPositiveInteger(value: number): boolean {
  return Number.isInteger(value) && value > 0;
}
