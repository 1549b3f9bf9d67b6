import { describe, expect, it } from '@jest/globals';
import { parseStartOptions, UsageError } from './options.ts';

describe('npm start', () => {
  it('places one order per second on the usual ports with servers of its own', () => {
    expect(parseStartOptions([], {})).toEqual({
      rate: 1,
      reset: false,
      secure: false,
      help: false,
      portOffset: undefined,
      natsUrl: undefined,
      databaseUrl: undefined,
      redisUrl: undefined,
    });
  });

  it('takes the rate in both spellings', () => {
    expect(parseStartOptions(['--rate', '0'], {}).rate).toBe(0);
    expect(parseStartOptions(['--rate=2.5'], {}).rate).toBe(2.5);
  });

  it.each([['--rate', 'fast'], ['--rate=-1'], ['--rate='], ['--rat', '1'], ['extra'], ['--rate']])(
    'refuses %s %s',
    (...args) => {
      expect(() => parseStartOptions(args.filter(Boolean), {})).toThrow(UsageError);
    },
  );

  it('names the option it does not know', () => {
    expect(() => parseStartOptions(['--bogus'], {})).toThrow(/^Unknown option '--bogus'$/);
  });

  it.each(['1.5', '-1', 'x', '57314'])('refuses PORT_OFFSET=%s', (PORT_OFFSET) => {
    expect(() => parseStartOptions([], { PORT_OFFSET })).toThrow(/PORT_OFFSET must be a whole number/);
  });

  it('has no secure NATS beside one that runs already', () => {
    expect(() => parseStartOptions(['--secure'], { NATS_URL: 'nats://other:4222' })).toThrow(
      /unset NATS_URL/,
    );
  });

  it('takes an empty variable for one that is not set', () => {
    expect(parseStartOptions([], { PORT_OFFSET: '', NATS_URL: '' })).toEqual(parseStartOptions([], {}));
  });
});
