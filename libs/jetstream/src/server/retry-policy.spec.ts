import { describe, expect, it } from '@jest/globals';
import { BadRequestException } from '@nestjs/common';
import fc from 'fast-check';
import { HandlerTimeoutError, RetryableError, TerminalError } from '../errors.js';
import {
  describeRetryPolicy,
  findRetryProblems,
  mostAttempts,
  nextDelayMs,
  type Backoff,
  type RetryPolicy,
} from './retry-policy.js';

const DAY_MS = 86_400_000;

class ThrottledError extends Error {}
class QuotaError extends ThrottledError {}
class UnknownSkuError extends Error {}

function policyOf(changes: Partial<RetryPolicy> = {}): RetryPolicy {
  return {
    maxDeliver: 10,
    backoffMs: [1_000, 5_000, 10_000],
    retryByError: [],
    terminalErrors: [],
    ...changes,
  };
}

const delay = fc.double({ min: 0, max: DAY_MS, noNaN: true });
const exponential = fc
  .tuple(fc.double({ min: Number.MIN_VALUE, max: DAY_MS, noNaN: true }), delay)
  .map(([a, b]) => ({ first: Math.min(a, Math.max(b, Number.MIN_VALUE)), cap: Math.max(a, b) }));
const backoff: fc.Arbitrary<Backoff> = fc.oneof(fc.array(delay, { minLength: 1, maxLength: 8 }), exponential);
const attempt = fc.integer({ min: 1, max: 1_000_000 });
const random = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });

describe('delays', () => {
  const delays = (policy: RetryPolicy, attempts: number[], share: number) =>
    attempts.map((number) => nextDelayMs(new Error('any'), number, policy, () => share));

  it('follow the list first, then double its last value', () => {
    expect(delays(policyOf(), [1, 2, 3], 0)).toEqual([1_000, 5_000, 10_000]);
    expect(delays(policyOf(), [4, 5, 6], 1)).toEqual([20_000, 40_000, 80_000]);
  });

  it('grow from first to cap and are drawn from all below', () => {
    const policy = policyOf({ backoffMs: { first: 100, cap: 1_000 } });
    expect(delays(policy, [1, 2, 3, 4, 5, 6], 1)).toEqual([100, 200, 400, 800, 1_000, 1_000]);
    expect(delays(policy, [1, 5], 0)).toEqual([0, 0]);
  });

  it('are numbers between zero and a day, whatever is declared and however often a message fails', () => {
    fc.assert(
      fc.property(backoff, attempt, random, (backoffMs, number, share) => {
        const policy = policyOf({ backoffMs, maxDeliver: Infinity });
        expect(findRetryProblems(policy)).toEqual([]);
        const delayMs = nextDelayMs(new Error('any'), number, policy, () => share);
        return delayMs !== undefined && delayMs >= 0 && delayMs <= DAY_MS;
      }),
    );
  });

  it('never have a lower bound at a later attempt, beyond what a list says', () => {
    fc.assert(
      fc.property(backoff, attempt, attempt, (backoffMs, a, b) => {
        const policy = policyOf({ backoffMs, maxDeliver: Infinity });
        const listed = 'cap' in backoffMs ? 0 : backoffMs.length - 1;
        const [earlier, later] = delays(policy, [Math.min(a, b) + listed, Math.max(a, b) + listed], 1);
        return Math.round(earlier ?? NaN) <= (later ?? NaN) + 0.5;
      }),
    );
  });

  it('that an error asks for are kept within zero and a day, and never become NaN', () => {
    fc.assert(
      fc.property(fc.double(), fc.double(), attempt, (delayMs, notBeforeMs, number) => {
        const policy = policyOf({ maxDeliver: Infinity });
        for (const options of [{ delayMs }, { notBeforeMs }, { delayMs, notBeforeMs }]) {
          const asked = nextDelayMs(new RetryableError('busy', options), number, policy);
          if (asked === undefined || !(asked >= 0 && asked <= DAY_MS)) return false;
        }
        return true;
      }),
    );
  });
});

describe('errors', () => {
  const policy = policyOf({
    maxDeliver: 3,
    retryByError: [
      { error: QuotaError, maxDeliver: 2, backoffMs: [60_000] },
      { error: ThrottledError, maxDeliver: 20, backoffMs: { first: 50, cap: 50 } },
      { error: HandlerTimeoutError, maxDeliver: 1 },
    ],
    terminalErrors: [UnknownSkuError],
  });
  const next = (error: unknown, number: number) => nextDelayMs(error, number, policy, () => 1);

  it('get the delays and attempts of the first class that matches', () => {
    expect(next(new QuotaError(), 1)).toBe(60_000);
    expect(next(new QuotaError(), 2)).toBeUndefined();
    expect(next(new ThrottledError(), 19)).toBe(50);
    expect(next(new ThrottledError(), 20)).toBeUndefined();
    expect(next(new Error('any'), 2)).toBe(5_000);
    expect(next(new Error('any'), 3)).toBeUndefined();
    expect(next(new HandlerTimeoutError('slow'), 1)).toBeUndefined();
    expect(mostAttempts(policy)).toBe(20);
  });

  it.each([new UnknownSkuError(), new TerminalError('never'), new BadRequestException()])(
    'that are terminal get no second attempt: %s',
    (error) => {
      expect(next(error, 1)).toBeUndefined();
    },
  );

  it('get the delay they ask for and the attempts of their class', () => {
    class BusyError extends RetryableError {}
    const busy = policyOf({ retryByError: [{ error: BusyError, maxDeliver: 2, backoffMs: [9] }] });
    expect(nextDelayMs(new BusyError('busy', { delayMs: 42 }), 1, busy)).toBe(42);
    expect(nextDelayMs(new BusyError('busy', { delayMs: 42 }), 2, busy)).toBeUndefined();
  });
});

describe('declarations', () => {
  it.each<[string, Partial<RetryPolicy>, RegExp]>([
    ['an empty list', { backoffMs: [] }, /backoffMs must hold at least one delay/],
    ['a delay that is no number', { backoffMs: [NaN] }, /backoffMs must hold .* each from 0/],
    ['a delay past a day', { backoffMs: [DAY_MS + 1] }, /\(a day\)/],
    ['no first delay', { backoffMs: { first: 0, cap: 10 } }, /first above 0/],
    [
      'a cap below the first delay',
      { backoffMs: { first: 20, cap: 10 } },
      /cap from first \(20\).*cap is 10/,
    ],
    [
      'no attempt for a class',
      { retryByError: [{ error: ThrottledError, maxDeliver: 0 }] },
      /retryByError\[0\] \(ThrottledError\) maxDeliver must be a whole number above 0/,
    ],
    [
      'a subclass after its base',
      { retryByError: [{ error: ThrottledError }, { error: QuotaError }] },
      /retryByError\[1\] \(QuotaError\) is never reached; put it before ThrottledError/,
    ],
    [
      'a class that is terminal too',
      { retryByError: [{ error: QuotaError }], terminalErrors: [ThrottledError] },
      /\(QuotaError\) is never tried again, because ThrottledError is terminal; remove one/,
    ],
    [
      'something that is no class',
      { terminalErrors: ['Error'] as never },
      /terminalErrors\[0\] must be a class/,
    ],
  ])('with %s are refused with a sentence that says what to change', (_, changes, sentence) => {
    expect(findRetryProblems(policyOf(changes)).join('; ')).toMatch(sentence);
  });

  it('describe themselves in one sentence', () => {
    expect(describeRetryPolicy(policyOf({ maxDeliver: 5, backoffMs: [1_000, 5_000] }))).toBe(
      '5 attempts, waiting 1 s, 5 s, then doubling up to 5 min with jitter, then the dead-letter stream',
    );
    expect(describeRetryPolicy(policyOf({ maxDeliver: 1, backoffMs: [1] }))).toBe(
      'one attempt, then the dead-letter stream',
    );
    expect(
      describeRetryPolicy({
        maxDeliver: 3,
        backoffMs: { first: 200, cap: 30_000 },
        retryByError: [{ error: ThrottledError, maxDeliver: 15, backoffMs: [1_000] }, { error: QuotaError }],
        terminalErrors: [UnknownSkuError, RangeError],
      }),
    ).toBe(
      '3 attempts, waiting up to 200 ms, doubling up to 30 s with jitter, then the dead-letter stream' +
        '; on ThrottledError 15 attempts, waiting 1 s, then doubling up to 5 min with jitter' +
        '; on QuotaError 3 attempts, waiting up to 200 ms, doubling up to 30 s with jitter' +
        '; on UnknownSkuError or RangeError the dead-letter stream at once',
    );
  });
});
