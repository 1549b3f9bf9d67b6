import type { EventKey, EventPage, EventPosition, PublishedRows } from './published-rows.js';
import { Sleeper } from './sleeper.js';

const MINUTE_MS = 60_000;
/**
 * A server writes to disk every two minutes unless told otherwise: what a power cut takes from it is gone by then. It is
 * also longer than the duplicate window, within which a stream takes no id again that it has lost.
 */
const SETTLED_AFTER_MS = 5 * MINUTE_MS;
/**
 * What has been stored for less is compared again: those of a backlog are published long after they were appended, and
 * a power cut may still take them. A minute less, or what was published at once would be read twice each round.
 */
const STORED_FOR_MS = SETTLED_AFTER_MS - MINUTE_MS;
/** How far a process looks back when it starts, beyond the oldest event that waits. */
const LOOK_BACK_MS = 30 * MINUTE_MS;
/** Time for each of new and postponed events; the rest is compared a minute later. */
const BUDGET_MS = 25_000;
/** Rest after each page, as a multiple of the time it took: what is read was stored beside those who store and read now. */
const REST = 3;

/** A time with events that could not be compared. It ends when they are known, or dropped with their partition. */
interface Interval {
  readonly since: Date;
  readonly until: Date;
  readonly after?: EventPosition;
}

/**
 * How far a process has come with comparing. What could not be compared for good, because it still waited, was stored
 * just now, or its stream could not be read, is compared again each minute: it is what an outage loses.
 */
export class Reconciliation {
  private comparedUntil: Date | undefined;
  private after: EventPosition | undefined;
  private postponed: Interval[] = [];
  private readonly sleeper = new Sleeper();
  private isStopped = false;

  constructor(
    private readonly rows: Pick<PublishedRows, 'page' | 'oldestPending'>,
    /** @returns events of the page that must be compared again */
    private readonly compare: (page: EventPage, settledBefore: Date) => Promise<readonly EventKey[]>,
  ) {}

  /** @param now in milliseconds */
  async continue(now: number): Promise<void> {
    const before = this.postponed.length;
    const settledBefore = new Date(now - STORED_FOR_MS);
    await this.compareNew(now, settledBefore);
    await this.repeat(before, settledBefore);
  }

  /** Ends `continue` after the page at hand. */
  stop(): void {
    this.isStopped = true;
  }

  private async compareNew(now: number, settledBefore: Date): Promise<void> {
    const until = new Date(now - SETTLED_AFTER_MS);
    this.comparedUntil ??= await this.start(now);
    const hasTime = this.budget();
    do {
      const startedAt = performance.now();
      const page = await this.rows.page(this.comparedUntil, until, this.after);
      this.postpone(await this.compare(page, settledBefore));
      this.after = page.next;
      if (!page.next) this.comparedUntil = until;
      else if (isNear(page.next, until)) await this.rest(startedAt);
    } while (this.after && hasTime());
  }

  /** The first ones, which were postponed before; what is open still comes to the end. */
  private async repeat(count: number, settledBefore: Date): Promise<void> {
    const hasTime = this.budget();
    for (let repeated = 0; repeated < count && hasTime(); repeated++) {
      const startedAt = performance.now();
      const [{ since, until, after }] = this.postponed as [Interval];
      const page = await this.rows.page(since, until, after);
      const open = await this.compare(page, settledBefore);
      this.postponed.shift();
      this.postpone(open);
      if (page.next) this.postponed.push({ since, until, after: page.next });
      await this.rest(startedAt);
    }
  }

  private async rest(startedAt: number): Promise<void> {
    await this.sleeper.rest(REST * (performance.now() - startedAt), () => this.isStopped);
  }

  private postpone(events: readonly EventKey[]): void {
    const times = events.map(({ createdAt }) => createdAt).toSorted();
    const [first, last] = [times[0], times.at(-1)];
    if (first && last) this.postponed.push({ since: new Date(first), until: new Date(Date.parse(last) + 1) });
  }

  /** What waited before the process started is published by now, or will be. */
  private async start(now: number): Promise<Date> {
    const oldest = await this.rows.oldestPending();
    return new Date(Math.min(now - LOOK_BACK_MS, oldest?.getTime() ?? Infinity));
  }

  private budget(): () => boolean {
    const end = performance.now() + BUDGET_MS;
    return () => !this.isStopped && performance.now() < end;
  }
}

/** Whoever is further behind than a process that starts has no time to rest. */
function isNear({ createdAt }: EventPosition, until: Date): boolean {
  return until.getTime() - Date.parse(createdAt) < LOOK_BACK_MS;
}
