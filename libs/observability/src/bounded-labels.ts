/** Label that stands for every value beyond the limit. */
export const OTHER_LABEL = 'other';

/** Counts per label value; after `limit` distinct values, new ones count as `other`, so that memory stays bounded. */
export class BoundedCounts {
  private readonly counts = new Map<string, number>();

  constructor(private readonly limit: number) {}

  add(value: string): void {
    const count = this.counts.get(value);
    if (count !== undefined) {
      this.counts.set(value, count + 1);
      return;
    }
    const label = this.counts.size < this.limit ? value : OTHER_LABEL;
    this.counts.set(label, (this.counts.get(label) ?? 0) + 1);
  }

  /** Hands every count since the last call to `take`, and starts again from 0. */
  drain(take: (value: string, count: number) => void): void {
    for (const [value, count] of this.counts) {
      if (count > 0) {
        take(value, count);
        this.counts.set(value, 0);
      }
    }
  }
}
