import { describe, expect, it } from '@jest/globals';
import { QueryFailedError, QueryRunnerAlreadyReleasedError } from 'typeorm';
import { isDatabaseAway, isDatabaseUnavailable } from './database-error.js';

const withCode = (code: string) => Object.assign(new Error('database'), { code });

describe('an unavailable database', () => {
  it.each([
    'ECONNREFUSED',
    'ECONNRESET',
    'EAI_AGAIN',
    '57P01',
    '57P03',
    '08006',
    '53300',
    '55P03',
    '57014',
    '40P01',
  ])('is told by the code %s', (code) => {
    expect(isDatabaseUnavailable(withCode(code))).toBe(true);
    expect(isDatabaseUnavailable(new QueryFailedError('SELECT 1', [], withCode(code)))).toBe(true);
  });

  it.each([
    'Connection terminated unexpectedly',
    'timeout exceeded when trying to connect',
    'Query read timeout',
    'Client was closed and is not queryable',
    new QueryRunnerAlreadyReleasedError().message,
  ])('is told by "%s", which has no code', (message) => {
    expect(isDatabaseUnavailable(new Error(message))).toBe(true);
  });

  it.each(['ECONNREFUSED', 'EHOSTUNREACH', '57P01', '57P03', '08006', '53300', '25006'])(
    'is away when it says %s',
    (code) => {
      expect(isDatabaseAway(withCode(code))).toBe(true);
      expect(isDatabaseAway(new QueryFailedError('SELECT 1', [], withCode(code)))).toBe(true);
    },
  );

  it('is away when a pooler hangs up because it has no server', () => {
    const told = Object.assign(new Error('server login has been failing'), {
      code: '08P01',
      severity: 'FATAL',
    });
    expect(isDatabaseAway(told)).toBe(true);
    expect(isDatabaseAway(Object.assign(told, { severity: 'ERROR' }))).toBe(false);
  });

  it.each(['40001', '40P01', '55P03', '57014', '08P01', '23505'])(
    'is not away when it says %s, which a statement may have caused',
    (code) => {
      expect(isDatabaseAway(withCode(code))).toBe(false);
    },
  );

  it.each([withCode('23505'), new Error('some bug'), 'text', undefined])('is not told by %p', (error) => {
    expect(isDatabaseUnavailable(error)).toBe(false);
  });
});
