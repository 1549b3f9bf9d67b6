import { describe, expect, it } from '@jest/globals';
import { findNames, isPartitionOf } from './partitions.js';

describe('the partitions of a durable', () => {
  it('are told by the number at the end of their names', () => {
    expect(isPartitionOf('shipping-p0', 'shipping')).toBe(true);
    expect(isPartitionOf('shipping-p12', 'shipping')).toBe(true);
    expect(isPartitionOf('shipping-parcels', 'shipping')).toBe(false);
    expect(isPartitionOf('shipping', 'shipping')).toBe(false);
    expect(isPartitionOf('air-shipping-p0', 'shipping')).toBe(false);
  });

  it('are what a page about the durable is of', () => {
    const names = ['shipping-p0', 'shipping-p1', 'shipping-parcels', 'payment-orders'];
    expect(findNames(names, 'shipping')).toEqual(['shipping-p0', 'shipping-p1']);
    expect(findNames(names, 'shipping-p1')).toEqual(['shipping-p1']);
    expect(findNames(names, 'payment-orders')).toEqual(['payment-orders']);
    expect(findNames(names, 'nobody')).toEqual([]);
  });
});
