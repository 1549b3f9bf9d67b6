import { describe, expect, it } from '@jest/globals';
import { BadRequestException } from '@nestjs/common';
import { RetryableError, TerminalError } from '../errors.js';
import { decide, HANDLED, outcomeOf } from './settle.js';

const policy = {
  maxDeliver: 5,
  backoffMs: [1_000, 5_000, 10_000],
  retryByError: [],
  terminalErrors: [],
};
const failed = (error: unknown) => ({ kind: 'failed', error }) as const;

describe('settlement', () => {
  it('acks what was handled', () => {
    expect(decide(HANDLED, 1, policy)).toEqual({ verb: 'ack' });
  });

  it('naks an unknown error with the delay of the attempt while attempts are left', () => {
    const error = new Error('unknown');
    expect([1, 2, 3].map((attempt) => decide(failed(error), attempt, policy))).toEqual([
      { verb: 'nak', delayMs: 1_000, error },
      { verb: 'nak', delayMs: 5_000, error },
      { verb: 'nak', delayMs: 10_000, error },
    ]);
  });

  it("prefers the error's own delay to the backoff", () => {
    const error = new RetryableError('later', { delayMs: 42 });
    expect(decide(failed(error), 1, policy)).toEqual({ verb: 'nak', delayMs: 42, error });
  });

  it('waits at least as long as the error asks, and longer when the backoff does', () => {
    const error = new RetryableError('throttled', { notBeforeMs: 3_000 });
    expect(decide(failed(error), 1, policy)).toMatchObject({ delayMs: 3_000 });
    expect(decide(failed(error), 2, policy)).toMatchObject({ delayMs: 5_000 });
  });

  it('repeats an attempt that met an outage after a doubling delay, half of it jitter, however often', () => {
    const error = new Error('away');
    const delays = (random: number) =>
      [0, 1, 4, 5, 10_000].map((repeats) => {
        const settlement = decide({ kind: 'outage', error }, 5, policy, repeats, () => random);
        expect(settlement).toMatchObject({ verb: 'nak', error, isOutage: true });
        return 'delayMs' in settlement && settlement.delayMs;
      });
    expect(delays(1)).toEqual([1_000, 2_000, 16_000, 30_000, 30_000]);
    expect(delays(0)).toEqual([500, 1_000, 8_000, 15_000, 15_000]);
  });

  it.each([5, 6, 100])('dead-letters a retryable error on attempt %i of 5', (attempt) => {
    const error = new RetryableError('still');
    expect(decide(failed(error), attempt, policy)).toEqual({ verb: 'dead-letter', error });
  });

  it.each([new TerminalError('never'), new BadRequestException('invalid')])(
    'dead-letters %s on the first attempt',
    (error) => {
      expect(decide(failed(error), 1, policy)).toEqual({ verb: 'dead-letter', error });
    },
  );

  it.each([undefined, null, 'text', 0])(
    'treats %p as an error like any other when it is thrown',
    (thrown) => {
      expect(decide(failed(thrown), 1, policy)).toEqual({ verb: 'nak', delayMs: 1_000, error: thrown });
    },
  );

  it('follows what the handler recorded on its context', () => {
    expect(outcomeOf(undefined)).toBe(HANDLED);
    expect(outcomeOf({ kind: 'retry', delayMs: 7 })).toMatchObject({ error: { delayMs: 7 } });
    expect(outcomeOf({ kind: 'dead-letter', reason: 'why' })).toMatchObject({ error: { message: 'why' } });
    expect(decide(outcomeOf({ kind: 'terminate', reason: 'why' }), 5, policy)).toEqual({
      verb: 'terminate',
      reason: 'why',
    });
  });
});
