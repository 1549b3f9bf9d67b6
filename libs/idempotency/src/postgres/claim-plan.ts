/**
 * Around the time at which one partition follows another, keys are written into both. Longer than any transaction that
 * claims: two transactions that overlap then always write into one partition in common, whose unique index decides.
 */
export const OVERLAP_MS = 60 * 60 * 1_000;

/** Where the claims of a stretch of time write, and where they look. Instants are epoch milliseconds. */
export interface ClaimPlan {
  /** The plan holds for claims from here, … */
  readonly from: number;
  /** … until here, exclusive. */
  readonly until: number;
  /** Times to write, one for each partition; undefined: the time of the claim. */
  readonly instants: readonly number[] | undefined;
  /** Partitions before this are searched for keys that were written there. */
  readonly searchBefore: number;
}

/** A range of time whose keys lie in one table; the first begins at `-Infinity`. */
export interface Partition {
  readonly table: string;
  readonly from: number;
  readonly to: number;
}

/**
 * @param partitions in order of time, without gaps, each longer than four overlaps
 * @returns undefined when none is there for `now` and the time right after it
 */
export function planAt(now: number, partitions: readonly Partition[]): ClaimPlan | undefined {
  const index = partitions.findIndex(({ from, to }) => from <= now && now < to);
  const current = partitions[index];
  if (!current) return undefined;
  const previous = partitions[index - 1];
  if (previous && now < current.from + OVERLAP_MS) return overlap(previous, current);
  const next = partitions[index + 1];
  if (now >= current.to - OVERLAP_MS) return next && overlap(current, next);
  return {
    from: previous ? current.from + OVERLAP_MS : current.from,
    until: current.to - OVERLAP_MS,
    instants: undefined,
    searchBefore: current.from,
  };
}

function overlap(earlier: Partition, later: Partition): ClaimPlan {
  return {
    from: later.from - OVERLAP_MS,
    until: later.from + OVERLAP_MS,
    instants: [later.from - 1, later.from],
    searchBefore: earlier.from,
  };
}
