import type { IdRange, OutboxRow } from './outbox-rows.js';

/** Rows that were read together, and what is asked of them again and again while they are on their way. */
export class RelayBatch {
  /** Of the ids of its rows. */
  readonly ranges: readonly IdRange[];
  private readonly aggregateIds: ReadonlySet<string>;

  constructor(
    readonly rows: readonly OutboxRow[],
    /** True when so much was pending that nothing is gained by waiting for more. */
    readonly isOfBacklog: boolean,
    /** By `performance.now()`. */
    readonly readAt: number,
  ) {
    this.ranges = rangesOf(rows.map(({ id }) => id));
    this.aggregateIds = new Set(rows.map(({ aggregateId }) => aggregateId));
  }

  get isEmpty(): boolean {
    return this.rows.length === 0;
  }

  hasEventOf(aggregateId: string): boolean {
    return this.aggregateIds.has(aggregateId);
  }
}

/** Ids mostly follow each other: a few ranges are written, sent and searched faster than thousands of ids. */
export function rangesOf(ids: readonly number[]): IdRange[] {
  const ranges: IdRange[] = [];
  const sorted = ids.toSorted((a, b) => a - b);
  let [first = 0] = sorted;
  for (const [index, id] of sorted.entries()) {
    const next = sorted[index + 1];
    if (next === id + 1) continue;
    ranges.push([first, id]);
    first = next ?? 0;
  }
  return ranges;
}
