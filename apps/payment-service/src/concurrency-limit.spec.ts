import { describe, expect, it } from '@jest/globals';
import { ConcurrencyLimit } from './concurrency-limit.js';

const tooLate = () => new Error('too late');

/** Calls that end when the test says so. */
class Calls {
  readonly ends: (() => void)[] = [];
  most = 0;
  private running = 0;

  readonly call = async (): Promise<void> => {
    this.most = Math.max(this.most, ++this.running);
    await new Promise<void>((end) => this.ends.push(end));
    this.running--;
  };
}

describe('a concurrency limit', () => {
  it('lets a few through at first and more with each success', async () => {
    const limit = new ConcurrencyLimit();
    const calls = new Calls();
    const first = limit.current;
    const all = Array.from({ length: first * 4 }, () =>
      limit.run(calls.call, 60_000, tooLate).then(() => limit.grow()),
    );
    expect(calls.most).toBe(first);
    for (let ended = 0; ended < all.length; ended++) {
      calls.ends[ended]?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(all);
    expect(calls.most).toBeGreaterThan(first);
    expect(limit.current).toBe(first + all.length);
  });

  it('halves in trouble, once for a crowd of failures, and then grows slowly', () => {
    const limit = new ConcurrencyLimit();
    for (let success = 0; success < 92; success++) limit.grow();
    expect(limit.current).toBe(100);
    limit.shrink(10_000);
    limit.shrink(10_100);
    expect(limit.current).toBe(50);
    for (let success = 0; success < 51; success++) limit.grow();
    expect(limit.current).toBe(51);
    for (let trouble = 1; trouble < 20; trouble++) limit.shrink(10_000 + trouble * 1_000);
    expect(limit.current).toBe(4);
  });

  it('turns away a call whose turn does not come, and keeps its place for nobody', async () => {
    const limit = new ConcurrencyLimit();
    const calls = new Calls();
    const running = Array.from({ length: limit.current }, () => limit.run(calls.call, 60_000, tooLate));
    await expect(limit.run(calls.call, 10, tooLate)).rejects.toThrow('too late');
    for (const end of calls.ends) end();
    await Promise.all(running);
    await limit.run(() => Promise.resolve(), 10, tooLate);
    expect(calls.ends).toHaveLength(running.length);
  });
});
