import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { OVERLAP_MS, planAt, type ClaimPlan, type Partition } from './claim-plan.js';

const DAY_MS = 24 * 60 * 60 * 1_000;
const FIRST = 100 * DAY_MS;

/** Three to six partitions, of one to nine days each, the first open towards the past. */
const chains = fc
  .array(fc.integer({ min: 1, max: 9 }), { minLength: 2, maxLength: 5 })
  .map((days): Partition[] => {
    let from = FIRST;
    const rest = days.map((length, index) => {
      const partition = { table: `p${index + 1}`, from, to: from + length * DAY_MS };
      from = partition.to;
      return partition;
    });
    return [{ table: 'p0', from: -Infinity, to: FIRST }, ...rest];
  });
const offsets = fc.integer({ min: -3 * OVERLAP_MS, max: 3 * OVERLAP_MS });

/** A time near the start of one of the partitions, where things go wrong if they do. */
const scenes = fc
  .tuple(chains, fc.nat(), offsets, offsets)
  .map(([chain, pick, first, second]) => {
    const start = chain[1 + (pick % (chain.length - 1))]?.from ?? 0;
    const times = [start + first, start + second].toSorted((a, b) => a - b) as [number, number];
    return { chain, times };
  })
  // Past the end there is no next partition yet; a plan for then must not exist.
  .filter(({ chain, times: [, later] }) => later < (chain.at(-1)?.to ?? 0) - OVERLAP_MS);

function tablesWritten(plan: ClaimPlan, at: number, chain: readonly Partition[]): string[] {
  return (plan.instants ?? [at]).map(
    (instant) => chain.find(({ from, to }) => from <= instant && instant < to)?.table ?? 'none',
  );
}

function required(plan: ClaimPlan | undefined): ClaimPlan {
  if (!plan) throw new Error('there is no plan');
  return plan;
}

describe('the plan of a claim', () => {
  it('makes claims that are at most an overlap apart write into a partition in common', () => {
    fc.assert(
      fc.property(scenes, ({ chain, times: [earlier, later] }) => {
        fc.pre(later - earlier <= OVERLAP_MS);
        const first = tablesWritten(required(planAt(earlier, chain)), earlier, chain);
        const second = tablesWritten(required(planAt(later, chain)), later, chain);
        expect(first.filter((table) => second.includes(table))).not.toEqual([]);
      }),
      { numRuns: 2_000 },
    );
  });

  it('makes a later claim write where an earlier one wrote, or search there', () => {
    fc.assert(
      fc.property(scenes, ({ chain, times: [earlier, later] }) => {
        const plan = required(planAt(later, chain));
        const written = tablesWritten(plan, later, chain);
        for (const table of tablesWritten(required(planAt(earlier, chain)), earlier, chain)) {
          const end = chain.find((partition) => partition.table === table)?.to ?? 0;
          // A row written ahead into the next partition is beside the one in the current partition.
          if (end > later + OVERLAP_MS && table !== written.at(0)) continue;
          expect(written.includes(table) || end <= plan.searchBefore).toBe(true);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('is the same at every time for which it says it holds', () => {
    fc.assert(
      fc.property(scenes, ({ chain, times: [time, other] }) => {
        const plan = required(planAt(time, chain));
        fc.pre(plan.from <= other && other < plan.until);
        expect(planAt(other, chain)).toEqual(plan);
      }),
    );
  });

  it('does not exist without a partition for now and for what follows', () => {
    const only: Partition[] = [{ table: 'p', from: -Infinity, to: FIRST }];
    expect(planAt(FIRST, only)).toBeUndefined();
    expect(planAt(FIRST - OVERLAP_MS, only)).toBeUndefined();
    expect(planAt(FIRST - OVERLAP_MS - 1, only)).toBeDefined();
  });
});
