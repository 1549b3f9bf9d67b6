import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Watchdog } from './watchdog.js';

describe('watchdog', () => {
  let expired: string[];
  let aborted: string[];
  let watchdog: Watchdog;

  const watch = (name: string) =>
    watchdog.watch({ abort: ({ message }) => void aborted.push(`${name}: ${message}`) }, () =>
      expired.push(name),
    );

  beforeEach(() => {
    jest.useFakeTimers();
    expired = [];
    aborted = [];
    watchdog = new Watchdog(100, () => new Error('too long'));
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  it('aborts each call when its own time is up, and tells its caller', () => {
    watch('first');
    jest.advanceTimersByTime(60);
    watch('second');
    jest.advanceTimersByTime(39);
    expect(expired).toEqual([]);
    jest.advanceTimersByTime(2);
    expect(expired).toEqual(['first']);
    jest.advanceTimersByTime(60);
    expect(expired).toEqual(['first', 'second']);
    expect(aborted).toEqual(['first: too long', 'second: too long']);
  });

  it('leaves alone what ended in time, and watches what starts after a rest', () => {
    expect(watch('quick')()).toBe(true);
    jest.advanceTimersByTime(500);
    const release = watch('slow');
    jest.advanceTimersByTime(101);
    expect(expired).toEqual(['slow']);
    expect(release()).toBe(false);
  });

  it('aborts what runs and what starts later when all must stop', () => {
    watch('running');
    watch('ended')();
    watchdog.abortAll(new Error('stop'));
    watch('later');
    expect(aborted).toEqual(['running: stop', 'later: stop']);
    expect(expired).toEqual([]);
  });

  it('keeps no timer while nothing runs', () => {
    watch('quick')();
    jest.advanceTimersByTime(101);
    expect(jest.getTimerCount()).toBe(0);
  });
});
