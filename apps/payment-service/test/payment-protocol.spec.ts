import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { World, type Process } from './payment-world.js';

type Command =
  | { readonly kind: 'order' | 'cancel' | 'resume' | 'crash'; readonly process: number }
  /** Lets some of what is under way happen. */
  | { readonly kind: 'wait'; readonly steps: number }
  /** A day passes: nothing travels any more, and the provider has forgotten its keys. */
  | { readonly kind: 'day' }
  /** The order has waited for so long that it is given up, by the one clock or the other. */
  | { readonly kind: 'timeout'; readonly clock: 'message' | 'payment' };

const PROCESSES = 3;
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom('order', 'cancel', 'resume', 'crash'),
      process: fc.nat(PROCESSES - 1),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('wait'), steps: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'day' } as const) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('timeout'), clock: fc.constantFrom('message', 'payment') }),
  },
) as fc.Arbitrary<Command>;

const scenario = fc.record({
  scheduler: fc.scheduler(),
  commands: fc.array(command, { maxLength: 16 }),
  answered: fc.infiniteStream(fc.boolean()),
  declines: fc.boolean(),
});

describe('the protocol of payments', () => {
  it('charges at most once and keeps no money of a cancelled order, whatever crashes, is lost, late or repeated', async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async ({ scheduler, commands, answered, declines }) => {
        const world = new World(scheduler, () => answered.next().value ?? true, declines);
        const processes = Array.from({ length: PROCESSES }, () => world.process());
        const done = new Set<string>();
        for (const next of commands) {
          await run(next, { world, processes, scheduler });
          done.add(next.kind);
        }
        // Messages are delivered until they are acked, and the resolver comes round again and again.
        await settle({ world, scheduler }, done);
        expect(outcomeOf(world)).toEqual(expectedOutcome(done, declines, world));
      }),
      { numRuns: 6_000 },
    );
  }, 120_000);

  it('charges at most once although the database is set back, whether or not the provider knows the key still', async () => {
    const restored = fc.record({
      backupAt: fc.nat(16),
      hasDayPassed: fc.boolean(),
      isInFlight: fc.boolean(),
      isPublishedAgain: fc.boolean(),
      isReliable: fc.boolean(),
      timesOut: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(scenario, restored, async ({ scheduler, commands, answered, declines }, restore) => {
        const world = new World(scheduler, () => answered.next().value ?? true, declines);
        const setting = {
          world,
          scheduler,
          processes: Array.from({ length: PROCESSES }, () => world.process()),
        };
        const done = new Set<string>();
        for (const [index, next] of commands.entries()) {
          if (index === restore.backupAt) world.backUp();
          await run(next, setting);
          done.add(next.kind);
        }
        await setBack(setting, restore.hasDayPassed);
        await replay(setting, { ...restore, isCancelled: done.has('cancel') });
        const { charges, refunds } = world.provider;
        expect(charges).toBeLessThanOrEqual(1);
        const isKept = world.payment?.state === 'succeeded';
        expect({ isKept, kept: charges - refunds }).toEqual({ isKept, kept: isKept ? 1 : 0 });
        expect(isKept && done.has('cancel')).toBe(false);
      }),
      { numRuns: 2_500 },
    );
  }, 120_000);
});

interface Setting {
  readonly world: World;
  readonly processes: Process[];
  readonly scheduler: fc.Scheduler;
}

async function run(next: Command, { world, processes, scheduler }: Setting): Promise<void> {
  if (next.kind === 'wait') {
    for (let step = 0; step < next.steps && scheduler.count() > 0; step++) await scheduler.waitOne();
  } else if (next.kind === 'day') {
    await scheduler.waitIdle();
    world.passDay();
  } else if (next.kind === 'timeout') {
    world.timeOut(next.clock);
  } else if (next.kind === 'crash') {
    const dying = processes[next.process];
    if (dying) dying.isAlive = false;
    processes[next.process] = world.process();
  } else {
    const process = processes[next.process];
    const work = {
      order: () => process?.charge(),
      cancel: () => process?.cancel(),
      resume: () => process?.resume(),
    };
    // What fails is delivered again; what its process did not survive never ends.
    void work[next.kind]()?.catch(() => undefined);
  }
}

async function settle(
  { world, scheduler }: Pick<Setting, 'world' | 'scheduler'>,
  done: ReadonlySet<string>,
): Promise<void> {
  world.isReliable = true;
  const last = world.process();
  const finished = Promise.allSettled([
    done.has('order') ? last.charge() : Promise.resolve(),
    done.has('cancel') ? last.cancel() : Promise.resolve(),
  ]);
  await scheduler.waitIdle();
  await finished;
  for (let round = 0; !world.isSettled && round < 5; round++) {
    const resumed = last.resume();
    await scheduler.waitIdle();
    await resumed;
  }
}

/** Everybody dies, what travelled arrives, and the database is as it was at its backup. */
async function setBack({ world, processes, scheduler }: Setting, hasDayPassed: boolean): Promise<void> {
  for (const process of processes) process.isAlive = false;
  await scheduler.waitIdle();
  if (hasDayPassed) world.passDay();
  world.restore();
}

interface Replay {
  readonly isCancelled: boolean;
  /** The server delivers the order by itself, too. */
  readonly isInFlight: boolean;
  /** The outbox was set back and publishes the order as a new one. */
  readonly isPublishedAgain: boolean;
  readonly isReliable: boolean;
  readonly timesOut: boolean;
}

/** An operator has everything delivered again, beside what comes by itself. */
async function replay({ world, scheduler }: Setting, how: Replay): Promise<void> {
  world.isReliable = how.isReliable;
  const next = world.process();
  let isDead = false;
  const again = next.chargeAgain().catch(() => {
    // A message whose payment somebody goes on with is acked after its last attempt; any other becomes a dead letter.
    isDead = world.isSettled;
  });
  const others = [
    ...(how.isInFlight ? [next.charge()] : []),
    ...(how.isPublishedAgain ? [next.charge(new Date())] : []),
    ...(how.isCancelled ? [next.cancel()] : []),
    next.resume(),
  ];
  const delivered = Promise.allSettled([again, ...others]);
  await scheduler.waitIdle();
  await delivered;
  if (how.timesOut) world.timeOut('payment');
  await settle({ world, scheduler }, new Set(how.isCancelled ? ['cancel'] : []));
  if (!isDead) return;
  const redriven = next.chargeAgain();
  await scheduler.waitIdle();
  await redriven;
}

function outcomeOf({ provider, payment, announced, travelling, isSettled }: World) {
  const { charges, refunds } = provider;
  return { isSettled, travelling, charges, kept: charges - refunds, state: payment?.state, announced };
}

/** What may have become of the order: everything but the money is settled by what happened to it. */
function expectedOutcome(done: ReadonlySet<string>, declines: boolean, { provider, payment }: World) {
  const { charges } = provider;
  const settled = { isSettled: true, travelling: 0, charges, kept: 0 };
  expect(charges).toBeLessThanOrEqual(1);
  if (charges === 1 && !done.has('cancel')) {
    return { ...settled, kept: 1, state: 'succeeded', announced: ['payments.completed.v1'] };
  }
  if (charges === 1) {
    return { ...settled, state: 'refunded', announced: ['payments.completed.v1', 'payments.refunded.v1'] };
  }
  if (payment?.state === 'void') return { ...settled, state: 'void', announced: [] };
  if (!payment) return { ...settled, state: undefined, announced: [] };
  // Without a cancellation an order goes unpaid only for a reason: a decline, or being too old.
  expect(declines || done.has('day') || done.has('timeout') || done.has('cancel')).toBe(true);
  return { ...settled, state: 'declined', announced: ['payments.failed.v1'] };
}
