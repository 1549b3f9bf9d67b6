import { describe, expect, it } from '@jest/globals';
import { toStripeAmount } from './stripe-amount.js';

describe('an amount for Stripe', () => {
  it.each([
    [1_999, 'EUR', 1_999],
    [500, 'JPY', 500],
    // Three decimals, the last of them 0.
    [5_120, 'KWD', 5_120],
    [5_124, 'KWD', undefined],
    // No decimals, written as if it had two.
    [5, 'ISK', 500],
    [5, 'UGX', 500],
    // Fifths of an ariary are counted as hundredths by the standard and not at all by Stripe.
    [500, 'MGA', 5],
    [501, 'MGA', undefined],
    [9_007_199_254_740_990, 'EUR', 9_007_199_254_740_990],
    [Number.MAX_SAFE_INTEGER, 'EUR', Number.MAX_SAFE_INTEGER],
    [Number.MAX_SAFE_INTEGER, 'ISK', undefined],
  ])('of %i minor units of %s is %p', (amountMinor, currency, expected) => {
    expect(toStripeAmount(amountMinor, currency)).toBe(expected);
  });
});
