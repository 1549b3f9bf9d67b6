import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { LaneScheduler, type LaneItem } from './lanes.js';

const TRACKS = 3;

interface Job extends LaneItem {
  readonly attempt: number;
}

function job(sequence: number, key: string, isExclusive = false): Job {
  return { sequence, key, track: key.charCodeAt(0) % TRACKS, isExclusive, attempt: 1 };
}

function openScheduler(concurrency: number): LaneScheduler<Job> {
  const scheduler = new LaneScheduler<Job>(TRACKS, concurrency);
  for (let track = 0; track < TRACKS; track++) scheduler.open(track);
  return scheduler;
}

/** Runs jobs to their end, failing and interleaving them as `choices` say. */
class Run {
  readonly starts: Job[] = [];
  readonly broken: string[] = [];
  private readonly running: Job[] = [];
  private readonly deferred: Job[] = [];
  private readonly coming: Job[];
  private readonly scheduler: LaneScheduler<Job>;

  constructor(
    jobs: readonly Job[],
    private readonly concurrency: number,
  ) {
    this.coming = [...jobs];
    this.scheduler = openScheduler(concurrency);
  }

  /** Returns itself when everything has ended, or when it goes on for ever. */
  play(choices: readonly number[]): this {
    const limit = 50 * (this.coming.length + 1);
    for (let step = 0; !this.isOver; step++) {
      if (step > limit) this.broken.push('goes on for ever');
      if (this.broken.length > 0) return this;
      this.step(choices[step % choices.length] ?? 0);
    }
    return this;
  }

  private get isOver(): boolean {
    return this.coming.length + this.running.length + this.deferred.length + this.scheduler.lanes === 0;
  }

  private step(choice: number): void {
    if (choice % 3 !== 0) this.add();
    for (let next = this.scheduler.start(); next; next = this.scheduler.start()) {
      this.running.push(next);
      this.starts.push(next);
      this.check();
    }
    const [ended] = this.running.splice(choice % Math.max(1, this.running.length), 1);
    if (ended) this.end(ended, choice % 5 === 0);
    else this.add();
    if (ended && choice % 2 === 1) return;
    const [due] = this.deferred.splice(choice % Math.max(1, this.deferred.length), 1);
    if (due) this.scheduler.retry(due);
  }

  private add(): void {
    const [next] = this.coming.splice(0, 1);
    if (next) this.scheduler.add(next);
  }

  private end(ended: Job, hasFailed: boolean): void {
    if (!hasFailed || ended.attempt === 3) {
      this.scheduler.finish(ended);
      return;
    }
    const again = { ...ended, attempt: ended.attempt + 1 };
    this.scheduler.defer(ended, again);
    this.deferred.push(again);
  }

  private check(): void {
    const { running } = this;
    if (running.length > this.concurrency) this.broken.push('too many at once');
    if (new Set(running.map(({ key }) => key)).size < running.length) this.broken.push('two of one key');
    if (running.length > 1 && running.some(({ isExclusive }) => isExclusive)) this.broken.push('not alone');
  }
}

describe('LaneScheduler', () => {
  it('starts everything, one at a time and in order per key, at most `concurrency` at once', () => {
    const keys = fc.constantFrom('a', 'b', 'c', 'd', 'e');
    fc.assert(
      fc.property(
        fc.array(fc.tuple(keys, fc.boolean()), { maxLength: 60 }),
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.nat(1_000), { minLength: 1, maxLength: 100 }),
        (drafts, concurrency, choices) => {
          const jobs = drafts.map(([key, isExclusive], index) =>
            job(index + 1, key, isExclusive && index % 4 === 0),
          );
          const { starts, broken } = new Run(jobs, concurrency).play(choices);
          expect(broken).toEqual([]);
          for (const mine of Map.groupBy(starts, ({ key }) => key).values()) {
            const order = mine.map(({ sequence }) => sequence);
            expect(order).toEqual(order.toSorted((a, b) => a - b));
          }
          expect(new Set(starts.map(({ sequence }) => sequence))).toEqual(
            new Set(jobs.map(({ sequence }) => sequence)),
          );
        },
      ),
      { numRuns: 500 },
    );
  });

  it('orders what came in any order while the track was closed', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([1, 2, 3, 4, 5, 6], { minLength: 6 }), (sequences) => {
        const scheduler = new LaneScheduler<Job>(TRACKS, 1);
        for (const sequence of sequences) scheduler.add(job(sequence, 'a'));
        expect(scheduler.start()).toBeUndefined();
        scheduler.open(job(0, 'a').track);
        const order: number[] = [];
        for (let next = scheduler.start(); next; next = scheduler.start()) {
          order.push(next.sequence);
          scheduler.finish(next);
        }
        expect(order).toEqual([1, 2, 3, 4, 5, 6]);
        expect(scheduler.lanes).toBe(0);
      }),
    );
  });

  it('lets other keys go on while one waits for its retry', () => {
    const scheduler = openScheduler(1);
    for (const [sequence, key] of ['a', 'a', 'b', 'd'].entries()) scheduler.add(job(sequence, key));
    const first = scheduler.start() as Job;
    const again = { ...first, attempt: 2 };
    scheduler.defer(first, again);
    const others = [scheduler.start()];
    scheduler.finish(others[0] as Job);
    others.push(scheduler.start());
    scheduler.finish(others[1] as Job);
    expect(others.map((other) => other?.key).toSorted()).toEqual(
      ['a', 'b', 'd'].filter((key) => key !== first.key).toSorted(),
    );
    expect(scheduler.start()).toBeUndefined();
    scheduler.retry(again);
    expect(scheduler.start()).toMatchObject({ sequence: first.sequence, attempt: 2 });
  });

  it('serves keys in turn, so that a busy one does not starve the others', () => {
    const scheduler = openScheduler(1);
    for (let sequence = 1; sequence <= 10; sequence++) scheduler.add(job(sequence, 'a'));
    scheduler.add(job(11, 'd'));
    const order: string[] = [];
    for (let next = scheduler.start(); next; next = scheduler.start()) {
      order.push(next.key);
      scheduler.finish(next);
    }
    expect(order.indexOf('d')).toBeLessThanOrEqual(1);
  });

  it('takes out what does not run and keeps what runs', () => {
    const scheduler = openScheduler(2);
    for (const sequence of [3, 2, 1]) scheduler.add(job(sequence, 'a'));
    scheduler.add(job(4, 'd'));
    const running = scheduler.start() as Job;
    const deferred = scheduler.start() as Job;
    scheduler.defer(deferred, deferred);
    expect(scheduler.withdraw(running.track).map(({ sequence }) => sequence)).toEqual(
      [1, 2, 3, 4].filter((sequence) => sequence !== running.sequence),
    );
    expect(scheduler.isRunning(running)).toBe(true);
    scheduler.finish(running);
    expect([scheduler.lanes, scheduler.running]).toEqual([0, 0]);
  });
});
