import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { toMajorUnits, toMinorUnits } from './money.js';

describe('money', () => {
  it.each([
    [99.95, 'USD', 9_995],
    [0.1 + 0.2, 'USD', 30],
    [1.005, 'USD', 101],
    [1.255, 'EUR', 126],
    [8.165, 'EUR', 817],
    [1234, 'JPY', 1_234],
    [1.2345, 'BHD', 1_235],
    [1e-7, 'USD', 0],
    [10.5, 'PKR', 1_050],
    [1999.9, 'HUF', 199_990],
    [1.5, 'IQD', 1_500],
  ])('reads %d %s as %d minor units', (amount, currency, minor) => {
    expect(toMinorUnits(amount, currency)).toBe(minor);
  });

  it('survives the way through the double of orders.created.v1 for every amount that can be charged', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 9_007_199_254_740 }),
        fc.constantFrom('USD', 'JPY', 'BHD'),
        (minor, currency) => toMinorUnits(toMajorUnits(minor, currency), currency) === minor,
      ),
      { numRuns: 5_000 },
    );
  });
});
