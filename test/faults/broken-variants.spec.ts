import { afterEach, describe, expect, it } from '@jest/globals';
import type { FaultPoints } from './fault-plan.ts';
import { FaultRun, type Sabotage } from './fault-run.ts';

const TIMES = 3;
const SETTLE_MS = 120_000;
/** What is lost stays lost, however long one waits, and is told from what is slow; what is done twice shows when all has settled. */
const LOST_AFTER_MS = 15_000;

/** That the fault suite finds what it looks for: without one of them, a guarantee is gone and the suite fails. */
describe('the order system without one of its guards', () => {
  let run: FaultRun | undefined;

  afterEach(async () => {
    await run?.end();
    run = undefined;
  }, 60_000);

  const broken: readonly [Sabotage, FaultPoints, RegExp][] = [
    [
      'ack-before-commit',
      { 'order-service': ['inbox.claimed', 'inbox.before-commit'] },
      /inbox reconcile .* ended with 3/,
    ],
    ['inbox-off', { 'order-service': ['jetstream.before-ack', 'inbox.committed'] }, /went through/],
    [
      'id-greater-than-last',
      { 'order-service': ['relay.published'] },
      /an event of orders is never published/,
    ],
  ];
  it.each(broken)(
    'is seen to fail when broken by "%s"',
    async (sabotage, points, violation) => {
      run = await FaultRun.start({ points, times: TIMES, sabotage });
      await run.loadUntilAllFired();
      const settleMs = sabotage === 'inbox-off' ? SETTLE_MS : LOST_AFTER_MS;
      expect((await run.findViolations(settleMs)).join('\n')).toMatch(violation);
    },
    300_000,
  );

  it('is needed: transactions that draw their ids early and commit late do no harm with it', async () => {
    const points = { 'order-service': ['relay.published'] };
    run = await FaultRun.start({ points, times: TIMES, sabotage: 'late-commits' });
    await run.loadUntilAllFired();
    expect(await run.findViolations(SETTLE_MS)).toEqual([]);
  }, 300_000);
});
