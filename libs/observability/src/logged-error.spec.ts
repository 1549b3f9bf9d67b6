import { describe, expect, it } from '@jest/globals';
import { toLoggedError } from './logged-error.js';

describe('what is logged of an error', () => {
  it('is its name, message, code, stack and causes, and none of its other properties', () => {
    const driver = Object.assign(new Error('no'), {
      code: '23505',
      detail: 'Key (email)=(a@b.example) exists',
    });
    const error = new Error('query failed', { cause: driver });
    Object.assign(error, { parameters: ['secret'], query: 'SELECT 1', driverError: driver });
    const logged = toLoggedError(error);
    expect(logged).toMatchObject({
      name: 'Error',
      message: 'query failed',
      cause: { message: 'no', code: '23505' },
    });
    expect(JSON.stringify(logged)).not.toMatch(/secret|a@b\.example/);
  });

  it('holds no value that PostgreSQL could not take', () => {
    const told = [
      ['22P02', 'invalid input syntax for type bigint: "secret"', 'invalid input syntax for type bigint'],
      [
        '22003',
        'value "secret" is out of range for type integer',
        'value [redacted] is out of range for type integer',
      ],
    ] as const;
    for (const [code, message, expected] of told) {
      const logged = toLoggedError(Object.assign(new Error(message), { code }));
      expect(logged.message).toBe(expected);
      expect(JSON.stringify(logged)).not.toContain('secret');
    }
  });

  it('holds neither credentials nor the text that a JSON parser met', () => {
    const url = new Error('cannot reach postgres://orders:hunter2@db:5432/orders with Bearer abcd1234');
    expect(toLoggedError(url).message).toBe(
      'cannot reach postgres://orders:[redacted]@db:5432/orders with Bearer [redacted]',
    );
    let parsing: unknown;
    try {
      JSON.parse('{"card": "4111", oops');
    } catch (error) {
      parsing = error;
    }
    expect(JSON.stringify(toLoggedError(parsing))).not.toContain('4111');
  });

  it('ends although the causes go round in a circle', () => {
    const error = new Error('first');
    error.cause = error;
    expect(JSON.stringify(toLoggedError(error)).length).toBeLessThan(40_000);
  });

  it('is as much of what is no error', () => {
    expect(toLoggedError('text')).toEqual({ name: 'string', message: 'text' });
  });
});
