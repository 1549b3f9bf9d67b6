/** Label that stands for every value beyond the limit. */
export const OTHER_LABEL = 'other';

/** Counts per label value; after `limit` distinct values, new ones count as `other`, so that memory stays bounded. */
export class BoundedCounts {
  private readonly counts = new Map<string, number>();

  /** @param generalise what a value counts as that has no label yet */
  constructor(
    private readonly limit: number,
    private readonly generalise: (value: string) => string = (value) => value,
  ) {}

  add(value: string): void {
    const count = this.counts.get(value);
    if (count !== undefined) {
      this.counts.set(value, count + 1);
      return;
    }
    const general = this.generalise(value);
    const isFree = this.counts.has(general) || this.counts.size < this.limit;
    const label = isFree ? general : OTHER_LABEL;
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

/** Tokens of a subject that can only be ids. */
const ID = /^(?=.*\d)[\w-]{12,}$|^\d{3,}$/;

/** A subject with `*` for tokens that look like ids: `orders.019a8c1e-….paid` is `orders.*.paid`. */
export function subjectPattern(subject: string): string {
  return subject
    .split('.')
    .map((token) => (ID.test(token) ? '*' : token))
    .join('.');
}
