import { describe, expect, it } from '@jest/globals';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import fc from 'fast-check';
import { PlaceOrderDto } from './orders.dto.js';

/** What the decorators say. */
function isValid(body: unknown): boolean {
  const dto = plainToInstance(PlaceOrderDto, body);
  return (
    validateSync(dto, { whitelist: true, forbidNonWhitelisted: true, forbidUnknownValues: true }).length === 0
  );
}

const oddities = fc.constantFrom<unknown>(
  undefined,
  null,
  '',
  'a b',
  '1',
  0,
  -1,
  1.5,
  NaN,
  1e15,
  true,
  [],
  {},
  [{}],
);
const orOdd = (usual: fc.Arbitrary<unknown>) =>
  fc.oneof({ weight: 30, arbitrary: usual }, { weight: 1, arbitrary: oddities });
const extra = fc.oneof(
  { weight: 12, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: fc.constant('discount') },
);

const withExtra = (fields: fc.Arbitrary<object>) =>
  fc.tuple(fields, extra).map(([value, name]) => (name === undefined ? value : { ...value, [name]: 1 }));
const line = withExtra(
  fc.record({
    sku: orOdd(fc.stringMatching(/^[\w.-]{1,64}$/)),
    quantity: orOdd(fc.integer({ min: 1, max: 10_000 })),
    unitPriceMinor: orOdd(fc.integer({ min: 0, max: 10_000_000 })),
  }),
);
const body = withExtra(
  fc.record({
    customerId: orOdd(fc.stringMatching(/^[\w-]{1,64}$/)),
    currency: orOdd(fc.constantFrom('EUR', 'JPY', 'XCG', 'eur', 'ABC')),
    lines: orOdd(fc.array(line, { minLength: 1, maxLength: 4 })),
  }),
);

describe('an order that is recognized', () => {
  it.each([
    ['EUR', true],
    ['XCG', true],
    ['ABC', false],
    ['eur', false],
  ])('in %s: %s', (currency, isKnown) => {
    const order = {
      customerId: 'cust-1',
      currency,
      lines: [{ sku: 'sku-1', quantity: 1, unitPriceMinor: 1 }],
    };
    expect(PlaceOrderDto.recognizes(order)).toBe(isKnown);
    expect(isValid(order)).toBe(isKnown);
  });

  it('is one that the decorators take, and what is not recognized they refuse', () => {
    let recognized = 0;
    fc.assert(
      fc.property(body, (value) => {
        if (PlaceOrderDto.recognizes(value)) recognized++;
        return PlaceOrderDto.recognizes(value) === isValid(value);
      }),
      { numRuns: 3_000 },
    );
    expect(recognized).toBeGreaterThan(200);
  });

  it.each([
    ['one line too many', 501, 1, 1],
    ['a sum too large', 100, 10_000, 1_000_001],
  ])('does not have %s', (_, count, quantity, unitPriceMinor) => {
    const order = (lines: number) => ({
      customerId: 'cust-1',
      currency: 'EUR',
      lines: Array.from({ length: lines }, () => ({ sku: 'sku-1', quantity, unitPriceMinor })),
    });
    expect(PlaceOrderDto.recognizes(order(count))).toBe(false);
    expect(isValid(order(count))).toBe(false);
    expect(PlaceOrderDto.recognizes(order(count - 1))).toBe(true);
    expect(isValid(order(count - 1))).toBe(true);
  });
});
