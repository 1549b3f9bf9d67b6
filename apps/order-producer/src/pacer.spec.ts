import { describe, expect, it } from '@jest/globals';
import { Pacer } from './pacer.js';

function total(rate: number, tickMs: number, seconds: number): number {
  const pacer = new Pacer(0);
  let orders = 0;
  for (let now = tickMs; now <= seconds * 1_000; now += tickMs) {
    orders += pacer.takeDue(now, rate);
  }
  return orders;
}

describe('pacer', () => {
  it.each([
    [0, 0],
    [0.5, 5],
    [1, 10],
    [333, 3_330],
    [7_919, 79_190],
  ])('makes %d orders per second due, exactly on average', (rate, expected) => {
    expect(Math.abs(total(rate, 10, 10) - expected)).toBeLessThanOrEqual(1);
  });

  it('makes up for ticks that come late', () => {
    const pacer = new Pacer(0);
    expect([pacer.takeDue(10, 1_000), pacer.takeDue(510, 1_000), pacer.takeDue(510, 1_000)]).toEqual([
      10, 500, 0,
    ]);
  });
});
