import { afterEach, describe, expect, it } from '@jest/globals';
import { FAULT_POINTS, livesOf } from './fault-plan.ts';
import { FaultRun } from './fault-run.ts';

/** How often each point kills its app, by tier. */
const TIMES: Readonly<Record<string, number>> = { short: 2, pr: 5, nightly: 100 };
const tier = process.env.FAULT_TIER ?? 'short';
const times = TIMES[tier] ?? 2;
const SETTLE_MS = 120_000;
/** To start, to settle and to compare, on a machine that others keep busy. */
const ONCE_MS = 300_000;
/** For each time that every point kills its app. */
const EACH_MS = 120_000;

describe('the order system', () => {
  let run: FaultRun | undefined;

  afterEach(async () => {
    await run?.end();
  }, 60_000);

  it(
    `loses nothing and does nothing twice while its apps are killed at every step, ${times} times each`,
    async () => {
      run = await FaultRun.start({ points: FAULT_POINTS, times });
      await run.loadUntilAllFired();
      expect(await run.findViolations(SETTLE_MS)).toEqual([]);
      for (const [app, points] of Object.entries(FAULT_POINTS)) {
        expect(run.fired(app)).toEqual(livesOf(points, times));
      }
      // The same message came again and had no second effect, or nothing was proved.
      expect(await run.journey.redeliveries('ORDERS')).toBeGreaterThan(0);
      expect(await run.journey.redeliveries('PAYMENTS')).toBeGreaterThan(0);
    },
    ONCE_MS + times * EACH_MS,
  );
});
