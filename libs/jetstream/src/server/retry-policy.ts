import { BadRequestException } from '@nestjs/common';
import { RetryableError, TerminalError } from '../errors.js';

/** Where the growth of delays ends beyond a list. */
const LIST_CAP_MS = 300_000;
/** Beyond it the count of attempts, which is kept for a week, could be forgotten before the next one. */
const MAX_DELAY_MS = 24 * 60 * 60 * 1_000;
/** 2 ** 40 times a millisecond is past every cap; larger powers reach Infinity, and 0 * Infinity is NaN. */
const MAX_DOUBLINGS = 40;

/** A class whose instances, and those of its subclasses, are meant. */
export type ErrorClass = abstract new (...args: never[]) => unknown;

/** Delays drawn from [0, `first` doubled with every attempt, at most `cap`] ("full jitter"). */
export interface ExponentialBackoff {
  /** Milliseconds, the bound before the 2nd attempt. */
  readonly first: number;
  /** Milliseconds, the bound that is never exceeded. */
  readonly cap: number;
}

/** Delays before the 2nd, 3rd, … attempt. Beyond a list its last value doubles with full jitter, up to 5 minutes. */
export type Backoff = readonly number[] | ExponentialBackoff;

/** What holds for errors of one class, subclasses included. What is left out is as the handler's. */
export interface ErrorRetry {
  readonly error: ErrorClass;
  /**
   * Attempts before the message is dead-lettered.
   * @default the handler's
   */
  readonly maxDeliver?: number;
  /**
   * Milliseconds before the 2nd, 3rd, … attempt.
   * @default the handler's
   */
  readonly backoffMs?: Backoff;
}

/** When a message is tried again, and when no more; the options of a handler that say so. */
export interface RetryPolicy {
  /** Attempts before the message is dead-lettered. */
  readonly maxDeliver: number;
  /** Milliseconds before the 2nd, 3rd, … attempt. */
  readonly backoffMs: Backoff;
  /** The first that matches the error counts. */
  readonly retryByError: readonly ErrorRetry[];
  /** Errors that no later attempt can cure, beside `TerminalError` and `BadRequestException`. */
  readonly terminalErrors: readonly ErrorClass[];
}

/**
 * Milliseconds until the attempt after `attempt` failed with `error`, or undefined when there is none and the message is
 * to be dead-lettered. A delay the error itself asks for wins over the policy's.
 */
export function nextDelayMs(
  error: unknown,
  attempt: number,
  policy: RetryPolicy,
  random: () => number = Math.random,
): number | undefined {
  if (isTerminal(error, policy.terminalErrors)) return undefined;
  const rule = policy.retryByError.find((candidate) => error instanceof candidate.error);
  if (attempt >= (rule?.maxDeliver ?? policy.maxDeliver)) return undefined;
  const backoffMs = backoffDelayMs(rule?.backoffMs ?? policy.backoffMs, attempt, random);
  if (!(error instanceof RetryableError)) return backoffMs;
  return bounded(error.delayMs ?? Math.max(backoffMs, error.notBeforeMs)) ?? backoffMs;
}

/** Most attempts any error gets. */
export function mostAttempts({ maxDeliver, retryByError }: RetryPolicy): number {
  return Math.max(maxDeliver, ...retryByError.map((rule) => rule.maxDeliver ?? 0));
}

/** Full jitter keeps a crowd that failed together from returning in step. */
function backoffDelayMs(backoff: Backoff, attempt: number, random: () => number): number {
  if (!isList(backoff))
    return Math.round(random() * Math.min(backoff.cap, doubled(backoff.first, attempt - 1)));
  const listed = backoff[attempt - 1];
  if (listed !== undefined) return listed;
  const last = backoff.at(-1) ?? 0;
  return Math.round(
    random() * Math.min(Math.max(LIST_CAP_MS, last), doubled(last, attempt - backoff.length)),
  );
}

function doubled(delayMs: number, times: number): number {
  return delayMs * 2 ** Math.min(times, MAX_DOUBLINGS);
}

/** What an error asks for was computed at run time, from an answer's header for one: it may be anything. */
function bounded(delayMs: number): number | undefined {
  return Number.isNaN(delayMs) ? undefined : Math.min(Math.max(delayMs, 0), MAX_DELAY_MS);
}

function isList(backoff: Backoff): backoff is readonly number[] {
  return Array.isArray(backoff);
}

/** Invalid payloads (Nest's validation pipe throws `BadRequestException`) stay invalid at every attempt. */
const ALWAYS_TERMINAL: readonly ErrorClass[] = [TerminalError, BadRequestException];

/** True when no later attempt is to be made after the error. */
export function isTerminal(error: unknown, declared: readonly ErrorClass[]): boolean {
  return [ALWAYS_TERMINAL, declared].some((classes) => classes.some((terminal) => error instanceof terminal));
}

/** Says what can never work about a policy, one sentence each. */
export function findRetryProblems({ backoffMs, retryByError, terminalErrors }: RetryPolicy): string[] {
  const problems = findBackoffProblems('backoffMs', backoffMs);
  const terminal = [...ALWAYS_TERMINAL, ...terminalErrors];
  for (const [index, declared] of terminalErrors.entries()) {
    if (typeof declared !== 'function') problems.push(`terminalErrors[${index}] must be a class`);
  }
  for (const [index, rule] of retryByError.entries()) {
    if (typeof rule.error !== 'function') {
      problems.push(`retryByError[${index}].error must be a class`);
      continue;
    }
    const field = `retryByError[${index}] (${rule.error.name})`;
    if (rule.backoffMs) problems.push(...findBackoffProblems(`${field} backoffMs`, rule.backoffMs));
    if (rule.maxDeliver !== undefined && !(Number.isInteger(rule.maxDeliver) && rule.maxDeliver > 0)) {
      problems.push(`${field} maxDeliver must be a whole number above 0`);
    }
    const ended = terminal.find((other) => isSameOrSubclass(rule.error, other));
    if (ended)
      problems.push(
        `${field} is never tried again, because ${ended.name} is terminal; remove one of the two`,
      );
    const earlier = retryByError.slice(0, index).find(({ error }) => isSameOrSubclass(rule.error, error));
    if (earlier) problems.push(`${field} is never reached; put it before ${earlier.error.name}`);
  }
  return problems;
}

function findBackoffProblems(field: string, backoff: Backoff): string[] {
  const isDelay = (delay: unknown) => typeof delay === 'number' && delay >= 0 && delay <= MAX_DELAY_MS;
  if (isList(backoff)) {
    const isPossible = backoff.length > 0 && backoff.every(isDelay);
    return isPossible
      ? []
      : [`${field} must hold at least one delay, each from 0 to ${MAX_DELAY_MS} ms (a day)`];
  }
  const { first, cap } = backoff;
  if (isDelay(first) && isDelay(cap) && first > 0 && first <= cap) return [];
  return [
    `${field} must have first above 0 and cap from first (${first}) to ${MAX_DELAY_MS} ms (a day); cap is ${cap}`,
  ];
}

function isSameOrSubclass(candidate: ErrorClass, base: unknown): boolean {
  return typeof base === 'function' && (candidate === base || candidate.prototype instanceof base);
}

/** The whole policy in one sentence, for consoles and logs. */
export function describeRetryPolicy({
  maxDeliver,
  backoffMs,
  retryByError,
  terminalErrors,
}: RetryPolicy): string {
  const rules = retryByError.map(
    (rule) =>
      `; on ${rule.error.name} ${describeAttempts(rule.maxDeliver ?? maxDeliver, rule.backoffMs ?? backoffMs)}`,
  );
  const terminal = terminalErrors.map(({ name }) => name).join(' or ');
  return [
    `${describeAttempts(maxDeliver, backoffMs)}, then the dead-letter stream`,
    ...rules,
    terminal ? `; on ${terminal} the dead-letter stream at once` : '',
  ].join('');
}

function describeAttempts(maxDeliver: number, backoff: Backoff): string {
  return maxDeliver === 1
    ? 'one attempt'
    : `${maxDeliver} attempts, waiting ${describeBackoff(maxDeliver - 1, backoff)}`;
}

function describeBackoff(waits: number, backoff: Backoff): string {
  if (!isList(backoff)) {
    return `up to ${duration(backoff.first)}, doubling up to ${duration(backoff.cap)} with jitter`;
  }
  const listed = backoff.slice(0, waits).map(duration).join(', ');
  const last = backoff.at(-1) ?? 0;
  const isBeyond = waits > backoff.length;
  return isBeyond
    ? `${listed}, then doubling up to ${duration(Math.max(LIST_CAP_MS, last))} with jitter`
    : listed;
}

function duration(ms: number): string {
  if (ms < 1_000) return `${ms} ms`;
  return ms < 120_000 ? `${ms / 1_000} s` : `${Number((ms / 60_000).toFixed(1))} min`;
}
