import { describe, expect, it } from '@jest/globals';
import { HeldAggregates } from './held-aggregates.js';

describe('held aggregates', () => {
  it('wait longer after each refusal, up to five seconds, and afresh after a success', () => {
    let now = 0;
    const held = new HeldAggregates(() => now);
    const waits = [1, 2, 3, 4, 5].map(() => {
      held.hold('a');
      const since = now;
      while (held.isHeld('a')) now += 500;
      return now - since;
    });
    expect(waits).toEqual([1_000, 2_000, 4_000, 5_000, 5_000]);
    held.release('a');
    held.hold('a');
    now += 1_000;
    expect(held.current()).toEqual([]);
  });

  it('take several refusals of one batch for one', () => {
    let now = 0;
    const held = new HeldAggregates(() => now);
    for (let event = 0; event < 10; event++) held.hold('a');
    held.hold('b');
    expect(held.current()).toEqual(['a', 'b']);
    now = 1_000;
    expect(held.current()).toEqual([]);
  });
});
