import { describe, expect, it } from '@jest/globals';
import { OwnMessages } from './own-messages.js';

describe('messages of this process', () => {
  const remembering = (...streams: string[]) => {
    const own = new OwnMessages();
    for (const stream of streams) own.remember(stream);
    return own;
  };
  const BEFORE = Date.now() - 1;

  it('are remembered of the streams that somebody asked for', () => {
    const own = remembering('A', 'B');
    own.add('A', 3, 5);
    own.add('C', 3, 5);
    expect([2, 3, 4, 5, 6].map((sequence) => own.has('A', sequence, BEFORE))).toEqual([
      false,
      true,
      true,
      true,
      false,
    ]);
    expect(own.has('B', 4, BEFORE)).toBe(false);
    expect(own.has('C', 4, BEFORE)).toBe(false);
  });

  it('are not those a stream stored after the answer came: it was made anew', () => {
    const own = remembering('A');
    own.add('A', 1, 1);
    expect(own.has('A', 1, Date.now() + 1_000)).toBe(false);
  });

  it('may be stored within the millisecond of the answer', () => {
    const own = remembering('A');
    own.add('A', 1, 1);
    expect(own.has('A', 1, BEFORE + 1.9)).toBe(true);
  });

  it('are forgotten, the oldest first, and the newest 10,000 are not', () => {
    const own = remembering('A');
    for (let sequence = 1; sequence <= 25_000; sequence++) own.add('A', sequence, sequence);
    expect(own.has('A', 1, BEFORE)).toBe(false);
    for (let sequence = 15_001; sequence <= 25_000; sequence++) {
      if (!own.has('A', sequence, BEFORE)) throw new Error(`${sequence} is forgotten`);
    }
  });

  it('are all forgotten when nobody knows what happened meanwhile, and new ones are remembered', () => {
    const own = remembering('A');
    own.add('A', 1, 2);
    own.forget();
    own.add('A', 3, 3);
    expect([1, 2, 3].map((sequence) => own.has('A', sequence, BEFORE))).toEqual([false, false, true]);
  });
});
