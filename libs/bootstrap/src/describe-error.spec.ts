import { describe, expect, it } from '@jest/globals';
import { describeError, describeListenError } from './describe-error.js';

const withCode = (code: string) => Object.assign(new Error('listen failed'), { code });

describe('one line of an error', () => {
  it('is the first line that says something', () => {
    expect(describeError(new Error('\n  Nest cannot resolve X.\n\nPotential solutions:'))).toBe(
      'Nest cannot resolve X.',
    );
  });

  it('is the first attempt for a connection that was tried at several addresses', () => {
    const refused = new Error('connect ECONNREFUSED ::1:5432');
    expect(describeError(new AggregateError([refused, new Error('other')]))).toBe(
      'connect ECONNREFUSED ::1:5432',
    );
  });

  it('is the name of an error without a text, and the text of what is no error', () => {
    expect(describeError(new TypeError())).toBe('TypeError');
    expect(describeError('gone')).toBe('gone');
  });

  it.each([
    ['EADDRINUSE', /port 3001 on 127\.0\.0\.1 is in use/],
    ['EACCES', /needs more rights/],
    ['EADDRNOTAVAIL', /no address 127\.0\.0\.1/],
    ['EOTHER', /listen failed/],
  ])('says what to do about %s', (code, expected) => {
    expect(describeListenError(withCode(code), '127.0.0.1', 3001)).toMatch(expected);
  });
});
