import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { describeRetryPolicy, retryDelayMs } from './retry-policy.js';

const policy = { maxDeliver: 10, backoffMs: [1_000, 5_000, 10_000] };

describe('retry policy', () => {
  it('uses the listed delays first', () => {
    expect([1, 2, 3].map((attempt) => retryDelayMs(policy, attempt, () => 0))).toEqual([
      1_000, 5_000, 10_000,
    ]);
  });

  it('doubles the last delay beyond the list', () => {
    expect([4, 5, 6].map((attempt) => retryDelayMs(policy, attempt, () => 1))).toEqual([
      20_000, 40_000, 80_000,
    ]);
  });

  it('stays between zero and five minutes however often a message fails', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10_000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (attempt, random) => {
          const delay = retryDelayMs(policy, attempt, () => random);
          return delay >= 0 && delay <= 300_000;
        },
      ),
    );
  });

  it('describes itself in words', () => {
    expect(describeRetryPolicy({ maxDeliver: 5, backoffMs: [1_000, 5_000] })).toBe(
      '5 attempts, waiting 1 s, 5 s, then doubling up to 5 min with jitter, then the dead-letter stream',
    );
    expect(describeRetryPolicy({ maxDeliver: 1, backoffMs: [1] })).toBe(
      'one attempt, then the dead-letter stream',
    );
  });
});
