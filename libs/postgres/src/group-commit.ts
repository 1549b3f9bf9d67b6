import type { Context } from '@opentelemetry/api';
import { failpoint } from '@slipstream/failpoints';
import { contextFor, isRecorded, runTogether, spanContextOf, tracerOf } from '@slipstream/tracing';
import { databaseErrorCode } from './database-error.js';

/** More requests wait for their commit than may. */
export class GroupCommitFullError extends Error {
  override readonly name = 'GroupCommitFullError';

  constructor(limit: number) {
    super(`${limit} requests wait for their commit already`);
  }
}

/** Thrown by `commit` for what one item caused: that item fails with `cause`, and the others are committed without it. */
export class GroupItemError extends Error {
  override readonly name = 'GroupItemError';

  /** @param index of the item in its group */
  constructor(
    readonly index: number,
    override readonly cause: unknown,
  ) {
    super(`item ${index} of the group cannot be committed`);
  }
}

export interface GroupCommitOptions<Item, Result> {
  /**
   * Commits all items in one transaction. `results[i]` answers `items[i]`; an error answers that item alone, and the rest
   * is committed. Throws a `GroupItemError` when nothing may be committed with an item.
   */
  readonly commit: (items: readonly Item[]) => Promise<readonly (Result | Error)[]>;
  /** What an item is about, such as the id of an order: by it, what comes of the item finds its trace. */
  readonly keyOf: (item: Item) => string;
  /** Most items of one transaction. */
  readonly maxGroup: number;
  /** Most items that wait for a transaction; further ones are refused. */
  readonly maxWaiting: number;
  /** Transactions at the same time. */
  readonly concurrency: number;
}

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly key: string;
  /** Trace of whoever waits. */
  readonly context: Context;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

const GROUP_SPAN = { tracer: tracerOf('postgres'), name: 'commit group' };

/** SQLSTATE classes that the data of one item can cause: data exception, integrity constraint violation. */
const ITEMS_FAULT = /^2[23]/;

/**
 * Commits concurrent work in groups: while one transaction is under way the next group forms, so that under load many
 * items share a commit and an item that comes alone waits for nobody.
 */
export class GroupCommit<Item, Result> {
  private waiting: Waiting<Item, Result>[] = [];
  private running = 0;
  private isScheduled = false;

  constructor(private readonly options: GroupCommitOptions<Item, Result>) {}

  /**
   * Resolves after the commit.
   * @throws GroupCommitFullError at once when too many wait, else what committing threw
   */
  submit(item: Item): Promise<Result> {
    const { maxWaiting, keyOf } = this.options;
    if (this.waiting.length >= maxWaiting) return Promise.reject(new GroupCommitFullError(maxWaiting));
    const key = keyOf(item);
    return new Promise((resolve, reject) => {
      this.waiting.push({ item, key, context: contextFor(key), resolve, reject });
      this.schedule();
    });
  }

  /** At the end of the turn: what arrived in one read of the sockets becomes one group. */
  private schedule(): void {
    if (this.isScheduled || this.running >= this.options.concurrency) return;
    this.isScheduled = true;
    setImmediate(() => {
      this.isScheduled = false;
      void this.runNext();
    });
  }

  private async runNext(): Promise<void> {
    const group = this.waiting.splice(0, this.options.maxGroup);
    if (group.length === 0) return;
    this.running++;
    if (this.waiting.length > 0) this.schedule();
    await this.commit(group);
    this.running--;
    if (this.waiting.length > 0) this.schedule();
  }

  /** In the traces of all members: the transaction is begun by whichever came first, and belongs to the others as well. */
  private commitTogether(group: readonly Waiting<Item, Result>[]): Promise<readonly (Result | Error)[]> {
    const members = group
      .filter(({ context }) => spanContextOf(context) !== undefined)
      .map(({ key, context }) => ({ context, keys: [key], isRecorded: isRecorded(context) }));
    return runTogether(members, GROUP_SPAN, () => this.options.commit(group.map(({ item }) => item)));
  }

  /** A group that fails for the data of one member is halved until that member fails alone. */
  private async commit(group: readonly Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await this.commitTogether(group);
      failpoint('group.committed');
      group.forEach(({ resolve, reject }, index) => {
        const result = results[index];
        if (result instanceof Error) reject(result);
        else resolve(result as Result);
      });
    } catch (error) {
      if (error instanceof GroupItemError) await this.commitOthers(group, error);
      else if (group.length > 1 && ITEMS_FAULT.test(databaseErrorCode(error) ?? '')) {
        const half = Math.ceil(group.length / 2);
        await this.commit(group.slice(0, half));
        await this.commit(group.slice(half));
      } else {
        for (const { reject } of group) reject(error);
      }
    }
  }

  private async commitOthers(
    group: readonly Waiting<Item, Result>[],
    { index, cause }: GroupItemError,
  ): Promise<void> {
    group[index]?.reject(cause);
    const others = group.toSpliced(index, 1);
    if (others.length > 0) await this.commit(others);
  }
}
