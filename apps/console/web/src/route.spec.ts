import { describe, expect, it } from '@jest/globals';
import { linkTo, parseRoute } from './route.js';

describe('a link', () => {
  it('leads to the consumer it names, whatever is in the names', () => {
    const [stream, consumer] = ['A/B?c', 'd#e %2F'];
    expect(parseRoute(linkTo.consumer(stream, consumer))).toEqual({ page: 'consumer', stream, consumer });
  });

  it('leads to the dead letter it names', () => {
    expect(linkTo.deadLetter('ORDERS:7')).toBe('#/dead-letters/ORDERS:7');
    expect(parseRoute(linkTo.deadLetter('ORDERS:7'))).toEqual({ page: 'dead-letter', id: 'ORDERS:7' });
  });

  it('keeps an empty value of a filter apart from one that is not given', () => {
    const filter = { stream: 'ORDERS', consumer: '', errorClass: 'A&B=C' };
    expect(parseRoute(linkTo.deadLetters(filter))).toEqual({ page: 'dead-letters', filter });
    expect(parseRoute(linkTo.deadLetters({}))).toEqual({ page: 'dead-letters', filter: {} });
  });

  it('says since when to look for an id only when that is known', () => {
    const since = '2026-11-26T16:00:00.000Z';
    expect(parseRoute(linkTo.trace('m 1', since))).toEqual({ page: 'trace', id: 'm 1', since });
    expect(linkTo.trace('m1')).toBe('#/trace/m1');
  });
});

describe('an address', () => {
  it('without a path is the overview', () => {
    for (const hash of ['', '#', '#/']) expect(parseRoute(hash)).toEqual({ page: 'overview' });
  });

  it('that was mistyped is read as far as possible', () => {
    expect(parseRoute('#/trace/100%')).toEqual({ page: 'trace', id: '100%', since: '' });
    expect(parseRoute('#/traces')).toEqual({ page: 'unknown' });
    expect(parseRoute('#/dead-letters?strem=ORDERS&consumer=c')).toEqual({
      page: 'dead-letters',
      filter: { consumer: 'c' },
    });
  });
});
