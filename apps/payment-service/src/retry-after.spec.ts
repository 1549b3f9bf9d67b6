import { describe, expect, it } from '@jest/globals';
import { retryAfterMs } from './retry-after.js';

const NOW = Date.parse('2026-11-23T12:00:00Z');

describe('a Retry-After header', () => {
  it.each([
    ['2', 2_000],
    ['0.5', 500],
    ['Mon, 23 Nov 2026 12:00:07 GMT', 7_000],
    ['Mon, 23 Nov 2026 11:59:00 GMT', 0],
    ['4000000000', 86_400_000],
    ['Fri, 31 Dec 9999 23:59:59 GMT', 86_400_000],
    ['soon', 0],
    ['-1', 0],
    [undefined, 0],
  ])('of %p asks for %i ms', (header, ms) => {
    expect(retryAfterMs(header, NOW)).toBe(ms);
  });
});
