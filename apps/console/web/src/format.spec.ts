import { describe, expect, it } from '@jest/globals';
import {
  formatAge,
  formatAmount,
  formatBytes,
  formatDuration,
  formatRate,
  formatTime,
  toLocalInput,
  UNKNOWN,
} from './format.js';

describe('a number', () => {
  it('is shown with one unit of bytes', () => {
    expect([0, 1_023, 1_024, 1_536, 5 * 1_024 ** 4].map(formatBytes)).toEqual([
      '0 B',
      '1,023 B',
      '1 KiB',
      '1.5 KiB',
      '5 TiB',
    ]);
  });

  it('of few per second keeps a decimal, and one that is not known is not shown as 0', () => {
    expect([0.4, 12.3, 0, null, undefined].map(formatRate)).toEqual(['0.4', '12', '0', UNKNOWN, UNKNOWN]);
  });

  it('agrees with what it counts', () => {
    expect([0, 1, 1_200].map((count) => formatAmount(count, 'message'))).toEqual([
      '0 messages',
      '1 message',
      '1,200 messages',
    ]);
  });
});

describe('a time', () => {
  const NOW = Date.parse('2026-11-26T16:00:00Z');

  it('that passed is told by its two largest units', () => {
    expect([0, 999, 1_000, 90_000, 3_600_000, 7_800_000, 90_061_000].map(formatDuration)).toEqual([
      '0 ms',
      '999 ms',
      '1 s',
      '1 min 30 s',
      '1 h',
      '2 h 10 min',
      '1 d 1 h',
    ]);
  });

  it('of long ago is told by one unit', () => {
    expect(formatAge('2026-11-26T15:59:30Z', NOW)).toBe('30 s ago');
    expect(formatAge('2026-11-24T15:00:00Z', NOW)).toBe('2 d ago');
  });

  it('a little in the future is just now: the clock of the server may be ahead', () => {
    expect(formatAge('2026-11-26T16:00:02Z', NOW)).toBe('just now');
  });

  it('that nobody told is not made up', () => {
    for (const at of [null, '', 'soon']) expect(formatAge(at, NOW)).toBe(UNKNOWN);
    expect(formatTime('')).toBe(UNKNOWN);
  });

  it('in a field for date and time is the same moment when it is read back', () => {
    expect(new Date(toLocalInput(new Date(NOW))).getTime()).toBe(NOW);
  });
});
