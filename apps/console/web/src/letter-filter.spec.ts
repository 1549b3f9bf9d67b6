import { describe, expect, it } from '@jest/globals';
import type { DeadLetterGroup } from '../../src/api.js';
import { countMatches, describeFilter, isMatch, toFilter, withChoice } from './letter-filter.js';

const group = (facts: Partial<DeadLetterGroup> = {}): DeadLetterGroup => ({
  stream: 'ORDERS',
  consumer: 'payment-orders',
  errorClass: 'GatewayError',
  errorCode: 'PAYMENT_DECLINED',
  count: 2,
  firstAt: '2026-11-26T16:00:00Z',
  lastAt: '2026-11-26T17:00:00Z',
  newestId: 'ORDERS:7',
  newestMessage: 'declined',
  ...facts,
});

describe('the filter of a group', () => {
  const untold = group({ consumer: '', errorClass: '', errorCode: '', count: 1 });

  it('matches its own dead letters and no others, also when it tells neither consumer nor error', () => {
    const groups = [group(), untold, group({ errorCode: '' }), group({ stream: 'PAYMENTS' })];
    for (const each of groups) {
      expect(groups.filter((other) => isMatch(other, toFilter(each)))).toEqual([each]);
    }
  });

  it('is described in words, what is not told as unknown', () => {
    expect(describeFilter(toFilter(untold))).toBe(
      'stream ORDERS, consumer unknown, error class unknown, error code unknown',
    );
    expect(describeFilter({})).toMatch(/^no filter/);
  });
});

describe('a choice', () => {
  it('counts those that match it and what was chosen before', () => {
    const groups = [group(), group({ consumer: '', count: 3 }), group({ stream: 'PAYMENTS', count: 5 })];
    expect(countMatches(groups, {})).toBe(10);
    expect(countMatches(groups, { stream: 'ORDERS' })).toBe(5);
    expect(countMatches(groups, withChoice({ stream: 'ORDERS' }, 'consumer', ''))).toBe(3);
  });

  it('of any takes back the former choice', () => {
    expect(withChoice({ stream: 'ORDERS', consumer: '' }, 'consumer', null)).toEqual({ stream: 'ORDERS' });
  });
});
