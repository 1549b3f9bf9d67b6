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
    [0.005, 'USD', 1],
    [0.0049, 'USD', 0],
    [0.0005, 'USD', 0],
    [4_503_599_627_370.494, 'USD', 450_359_962_737_049],
    [1e21, 'JPY', 1e21],
    [-1.005, 'USD', -101],
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

  it('is rounded as the rule says for every double: half away from zero on its shortest decimal', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1e14, noNaN: true }),
        fc.constantFrom('USD', 'JPY', 'BHD'),
        (amount, currency) => {
          expect(toMinorUnits(amount, currency)).toBe(
            exactly(amount, { USD: 2, JPY: 0, BHD: 3 }[currency] ?? 2),
          );
        },
      ),
      { numRuns: 20_000 },
    );
  });
});

/** The rule in exact arithmetic: the shortest decimal as a fraction of integers, plus a half, cut off. */
function exactly(amount: number, decimals: number): number {
  const [mantissa = '0', exponent = '0'] = amount.toExponential().split('e');
  const [whole = '0', fraction = ''] = mantissa.split('.');
  const power = Number(exponent) - fraction.length + decimals;
  const digits = BigInt(whole + fraction);
  if (power >= 0) return Number(digits * 10n ** BigInt(power));
  const divisor = 10n ** BigInt(-power);
  return Number((2n * digits + divisor) / (2n * divisor));
}
