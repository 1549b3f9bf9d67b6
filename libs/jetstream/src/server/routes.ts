import type { MessageHandler } from '@nestjs/microservices';
import type { Msg } from '@nats-io/transport-node';
import { isDeepStrictEqual } from 'node:util';
import { deliverSubjectOf, findDeliverCycle } from '../delivery-options.js';
import { InvalidHandlerError } from '../errors.js';
import {
  findProblems,
  findUnknownOptions,
  resolveHandlerOptions,
  type HandlerOptions,
  type HandlerOverrides,
  type ResolvedHandlerOptions,
} from '../handler.options.js';
import { covers, isLiteral, isValidPattern, matches, overlaps } from '../subject.js';
import type { StreamDefinition } from '../topology/stream-definition.js';
import type { DeliveryInfo } from './delivery-info.js';
import { assertNoConflicts } from './plan-conflicts.js';

/** One handler as Nest registered it. */
export interface HandlerRegistration {
  readonly pattern: string;
  readonly handler: MessageHandler;
  readonly options: HandlerOptions;
}

export interface Route {
  readonly pattern: string;
  readonly handler: MessageHandler;
}

/** Everything one durable consumer needs: its stream, its subjects and the handler of each. */
export interface ConsumerPlan {
  readonly stream: StreamDefinition;
  readonly options: ResolvedHandlerOptions;
  readonly routes: readonly Route[];
  /** Turns what the stream holds into the delivery that handlers were declared for. @default as it came */
  readonly restore?: (message: Msg, info: DeliveryInfo) => { message: Msg; info: DeliveryInfo };
}

/**
 * Groups handlers by durable and checks that the declarations can work.
 * @throws InvalidHandlerError naming what to change
 */
export function planConsumers(
  registrations: readonly HandlerRegistration[],
  streams: readonly StreamDefinition[],
  overrides: HandlerOverrides = {},
): ConsumerPlan[] {
  const byDurable = new Map<string, HandlerRegistration[]>();
  for (const registration of registrations) {
    const durable = registration.options.durable;
    if (!durable) {
      throw new InvalidHandlerError(
        `handler of "${registration.pattern}" must name its durable; if it belongs to another transport, name that one ` +
          'in its decorator',
      );
    }
    byDurable.set(durable, [...(byDurable.get(durable) ?? []), registration]);
  }
  const unknown = Object.keys(overrides).filter((durable) => !byDurable.has(durable));
  if (unknown.length > 0) {
    const known = [...byDurable.keys()].join(', ');
    throw new InvalidHandlerError(
      `handlers.${unknown.join(', ')} configures no declared durable; there are ${known}`,
    );
  }
  const plans = [...byDurable].map(([durable, members]) => {
    const options = { ...mergeOptions(durable, members), ...withoutUndefined(overrides[durable] ?? {}) };
    return planConsumer(options, members, streams);
  });
  assertNoConflicts(plans);
  return plans;
}

function planConsumer(
  declared: HandlerOptions,
  members: readonly HandlerRegistration[],
  streams: readonly StreamDefinition[],
): ConsumerPlan {
  const options = resolveHandlerOptions(declared);
  const problems = [
    ...findUnknownOptions(declared),
    ...findProblems(options),
    ...findPatternProblems(members),
  ];
  const stream = streams.find(({ subjects }) =>
    members.every(({ pattern }) => subjects.some((subject) => covers(subject, pattern))),
  );
  if (!stream) {
    const patterns = members.map(({ pattern }) => pattern).join(', ');
    problems.push(`no declared stream holds all of ${patterns}; add the stream or split the durable`);
  }
  if (stream && options.delivery === 'push') {
    problems.push(...findDeliverCycle(deliverSubjectOf(stream.name, options), streams));
  }
  if (!stream || problems.length > 0) {
    throw new InvalidHandlerError(`durable "${options.durable}": ${problems.join('; ')}`);
  }
  return { stream, options, routes: members.map(({ pattern, handler }) => ({ pattern, handler })) };
}

function mergeOptions(durable: string, members: readonly HandlerRegistration[]): HandlerOptions {
  const merged: Record<string, unknown> = {};
  for (const { options, pattern } of members) {
    for (const [key, value] of Object.entries(withoutUndefined(options))) {
      if (key in merged && !isDeepStrictEqual(merged[key], value)) {
        throw new InvalidHandlerError(
          `durable "${durable}": handler of "${pattern}" sets ${key} to another value than its neighbour; give it once`,
        );
      }
      merged[key] = value;
    }
  }
  return { durable, ...merged };
}

/** What configuration leaves open must not hide what the decorator says. */
function withoutUndefined(options: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

function findPatternProblems(members: readonly HandlerRegistration[]): string[] {
  const problems = members
    .filter(({ pattern }) => !isValidPattern(pattern))
    .map(({ pattern }) => `"${pattern}" is no NATS subject pattern`);
  members.forEach(({ pattern }, index) => {
    for (const other of members.slice(index + 1)) {
      if (overlaps(pattern, other.pattern)) {
        problems.push(
          `"${pattern}" and "${other.pattern}" overlap; give one of the handlers its own durable`,
        );
      }
    }
  });
  return problems;
}

/** Finds the route of a subject; literal subjects by hash, wildcards by comparison. */
export function createRouter(routes: readonly Route[]): (subject: string) => Route | undefined {
  const literal = new Map(
    routes.filter(({ pattern }) => isLiteral(pattern)).map((route) => [route.pattern, route]),
  );
  const wildcards = routes.filter(({ pattern }) => !isLiteral(pattern));
  return (subject) => literal.get(subject) ?? wildcards.find(({ pattern }) => matches(pattern, subject));
}
