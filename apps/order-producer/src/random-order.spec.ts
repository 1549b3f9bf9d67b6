import { describe, expect, it } from '@jest/globals';
import { createRandomOrder } from './random-order.js';

describe('random orders', () => {
  const orders = Array.from({ length: 2_000 }, () => createRandomOrder());

  it('are what the order-service takes', () => {
    for (const { customerId, currency, lines } of orders) {
      expect(customerId).toMatch(/^[\w-]{1,64}$/);
      expect(currency).toMatch(/^[A-Z]{3}$/);
      expect(lines.length).toBeGreaterThanOrEqual(1);
      expect(lines.length).toBeLessThanOrEqual(3);
      for (const { sku, quantity, unitPriceMinor } of lines) {
        expect(sku).toMatch(/^[\w.-]{1,64}$/);
        expect(Number.isInteger(quantity) && quantity >= 1 && quantity <= 5).toBe(true);
        expect(Number.isInteger(unitPriceMinor) && unitPriceMinor > 0).toBe(true);
      }
    }
  });

  it('differ, name no good twice and keep the currency of a customer', () => {
    expect(new Set(orders.map((order) => order.customerId)).size).toBeGreaterThan(1_000);
    const currencies = new Map<string, string>();
    for (const { customerId, currency, lines } of orders) {
      expect(new Set(lines.map(({ sku }) => sku)).size).toBe(lines.length);
      expect(currencies.get(customerId) ?? currency).toBe(currency);
      currencies.set(customerId, currency);
    }
  });
});
