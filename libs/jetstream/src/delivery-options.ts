import { overlaps } from './subject.js';

/**
 * How messages reach a handler.
 *
 * - `pull`: all processes share a durable; each asks for as many messages as it is free for.
 * - `push`: all processes share a durable; the server sends to a subject and spreads over a queue group.
 * - `ordered`: each process reads alone, one message at a time in the order of the stream, for read models.
 * - `broadcast`: each process gets every message, for caches and configuration.
 */
export type DeliveryMode = 'pull' | 'push' | 'ordered' | 'broadcast';

/**
 * Where a consumer starts that does not exist yet. An existing durable goes on where it is.
 *
 * - `all`: the oldest message of the stream; `new`: what arrives from now on
 * - `last`: the newest message; `last-per-subject`: the newest of each subject
 * - `{ sequence }`: a stream sequence; `{ time }`: the first message stored at or after it, ISO 8601 or a `Date`
 */
export type StartPosition =
  | 'all'
  | 'new'
  | 'last'
  | 'last-per-subject'
  | { readonly sequence: number }
  | { readonly time: Date | string };

/** How messages reach the handler and from where on. */
export interface DeliveryOptions {
  /** @default 'pull' */
  readonly delivery?: DeliveryMode;
  /**
   * `push` only: the subject the server sends to. No stream may hold it.
   * @default `deliver.<stream>.<durable>`
   */
  readonly deliverSubject?: string;
  /**
   * `push` only: name of the queue group that shares the messages.
   * @default the durable
   */
  readonly queueGroup?: string;
  /**
   * Unacked messages the server hands out, delayed retries included; then it waits. For `push` to all processes together,
   * which is its only back-pressure. For `broadcast` to each process.
   * @default 20000, for push 1000
   */
  readonly maxAckPending?: number;
  /** @default 'all', for broadcast 'new' */
  readonly start?: StartPosition;
  /**
   * `original` delivers at the pace in which the messages were stored.
   * @default 'instant'
   */
  readonly replay?: 'instant' | 'original';
}

export interface ResolvedDeliveryOptions extends Required<
  Omit<DeliveryOptions, 'deliverSubject' | 'queueGroup'>
> {
  readonly deliverSubject: string | undefined;
  readonly queueGroup: string | undefined;
}

/** Unacked messages the server hands out for one durable, to all processes together. Delayed retries count. */
export const MAX_ACK_PENDING = 20_000;
/** One process of a queue group may be handed all of them at once, so they must fit into its memory. */
const MAX_ACK_PENDING_PUSH = 1_000;

const MODES: readonly string[] = ['pull', 'push', 'ordered', 'broadcast'] satisfies DeliveryMode[];
const NAMED_STARTS: readonly unknown[] = ['all', 'new', 'last', 'last-per-subject'] satisfies StartPosition[];

export function resolveDeliveryOptions(options: DeliveryOptions): ResolvedDeliveryOptions {
  const delivery = options.delivery ?? 'pull';
  return {
    delivery,
    deliverSubject: options.deliverSubject,
    queueGroup: options.queueGroup,
    maxAckPending: options.maxAckPending ?? (delivery === 'push' ? MAX_ACK_PENDING_PUSH : MAX_ACK_PENDING),
    start: options.start ?? (delivery === 'broadcast' ? 'new' : 'all'),
    replay: options.replay ?? 'instant',
  };
}

/** True when the consumer belongs to this process alone and goes with it. */
export function isEphemeral({ delivery }: Pick<ResolvedDeliveryOptions, 'delivery'>): boolean {
  return delivery === 'ordered' || delivery === 'broadcast';
}

/** What the checks need of the other options of a handler. */
interface CheckedOptions extends ResolvedDeliveryOptions {
  readonly concurrency: number;
  readonly batch: { readonly size: number } | undefined;
}

/** Says what is impossible about how messages are to be delivered, one sentence each. */
export function findDeliveryProblems(options: CheckedOptions): string[] {
  const { delivery, maxAckPending, start, replay } = options;
  const problems: string[] = [];
  if (!MODES.includes(delivery)) {
    problems.push(`delivery "${delivery}" is unknown; choose ${MODES.join(', ')}`);
  }
  if (!isPositiveInteger(maxAckPending)) problems.push('maxAckPending must be a whole number above 0');
  if (!isPossibleStart(start)) {
    problems.push(
      `start must be ${NAMED_STARTS.join(', ')}, { sequence } above 0 or { time } as a date or ISO 8601; it is ${JSON.stringify(start)}`,
    );
  }
  if (replay !== 'instant' && replay !== 'original') {
    problems.push(`replay "${String(replay)}" is unknown; choose instant or original`);
  }
  return [...problems, ...findPushProblems(options), ...findOrderedProblems(options)];
}

function findPushProblems(options: ResolvedDeliveryOptions): string[] {
  const { delivery, deliverSubject, queueGroup } = options;
  const problems: string[] = [];
  if (delivery !== 'push') {
    for (const [field, value] of Object.entries({ deliverSubject, queueGroup })) {
      if (value !== undefined) {
        problems.push(
          `${field} needs delivery "push" and this is "${delivery}"; remove it or change delivery`,
        );
      }
    }
    return problems;
  }
  if (deliverSubject !== undefined && !/^[^\s.*>]+(\.[^\s.*>]+)*$/.test(deliverSubject)) {
    problems.push(`deliverSubject "${deliverSubject}" must be a subject without wildcards`);
  }
  if (queueGroup !== undefined && !/^[^\s*>]+$/.test(queueGroup)) {
    problems.push(`queueGroup "${queueGroup}" must be a name without spaces and wildcards`);
  }
  return problems;
}

function findOrderedProblems({ delivery, batch, concurrency }: CheckedOptions): string[] {
  if (delivery !== 'ordered') return [];
  const problems: string[] = [];
  if (batch) {
    problems.push(
      'batch does not go with delivery "ordered", which takes one message after the other; remove batch or use a ' +
        'shared durable with delivery "pull"',
    );
  }
  if (concurrency !== 1) {
    problems.push(`concurrency must be 1 with delivery "ordered" and is ${concurrency}; remove it`);
  }
  return problems;
}

/** The subject a push consumer sends to. */
export function deliverSubjectOf(
  stream: string,
  { deliverSubject, durable }: Pick<ResolvedDeliveryOptions, 'deliverSubject'> & { readonly durable: string },
): string {
  return deliverSubject ?? `deliver.${stream}.${durable}`;
}

/** A stream that holds the subject would store every delivery as a new message, and deliver that. */
export function findDeliverCycle(
  subject: string,
  streams: readonly { readonly name: string; readonly subjects: readonly string[] }[],
): string[] {
  return streams
    .filter(({ subjects }) => subjects.some((pattern) => overlaps(pattern, subject)))
    .map(({ name }) => `deliverSubject "${subject}" lies in stream ${name}; choose one outside every stream`);
}

/** The way of delivery in words, for consoles and logs. */
export function describeDelivery(options: ResolvedDeliveryOptions & { readonly durable: string }): string {
  const ways: Record<DeliveryMode, string> = {
    pull: `pulled from durable "${options.durable}", shared by all processes`,
    push:
      `pushed by durable "${options.durable}" to ${options.deliverSubject ?? 'its own subject'}, shared by queue group ` +
      `"${options.queueGroup ?? options.durable}", at most ${options.maxAckPending} unacked`,
    ordered: 'each process reads alone, one message at a time in the order of the stream',
    broadcast: 'every process gets every message',
  };
  const pace = options.replay === 'original' ? ', at the original pace' : '';
  return `${ways[options.delivery]}, ${describeStart(options.start)}${pace}`;
}

function describeStart(start: StartPosition): string {
  if (typeof start === 'object') {
    return 'sequence' in start
      ? `from sequence ${start.sequence}`
      : `from ${new Date(start.time).toISOString()}`;
  }
  return {
    all: 'from the oldest message',
    new: 'from the next message',
    last: 'from the newest message',
    'last-per-subject': 'from the newest message of each subject',
  }[start];
}

function isPossibleStart(start: unknown): boolean {
  if (typeof start !== 'object' || start === null) return NAMED_STARTS.includes(start);
  if ('sequence' in start) return typeof start.sequence === 'number' && isPositiveInteger(start.sequence);
  return 'time' in start && !Number.isNaN(new Date(start.time as Date | string).getTime());
}

function isPositiveInteger(value: number): boolean {
  return Number.isInteger(value) && value > 0;
}
