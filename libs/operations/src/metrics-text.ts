/** A value as `/metrics` writes it. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{((?:\w+="(?:[^"\\]|\\.)*",?)*)\})? (\S+)/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

/** Reads the text format of Prometheus; comments and exemplars are passed over. */
export function readMetrics(text: string): Sample[] {
  return text.split('\n').flatMap((line) => {
    const [, name, labels = '', value] = LINE.exec(line) ?? [];
    if (name === undefined) return [];
    const pairs = [...labels.matchAll(LABEL)].map(([, key = '', content = '']) => [key, content] as const);
    return [{ name, labels: Object.fromEntries(pairs), value: Number(value) }];
  });
}

/**
 * A quantile of a histogram, in its unit, estimated as Prometheus does: evenly spread within a bucket. Infinity for what lies
 * beyond the highest finite bound.
 * @param buckets samples of `…_bucket`; those of several processes add up
 * @returns undefined when nothing was observed
 */
export function quantileOf(share: number, buckets: readonly Sample[]): number | undefined {
  const counts = new Map<number, number>();
  for (const { labels, value } of buckets) {
    const bound = labels['le'] === '+Inf' ? Infinity : Number(labels['le']);
    counts.set(bound, (counts.get(bound) ?? 0) + value);
  }
  const sorted = [...counts].toSorted(([a], [b]) => a - b);
  const rank = share * (sorted.at(-1)?.[1] ?? 0);
  if (rank === 0) return undefined;
  let [below, before] = [0, 0];
  for (const [bound, count] of sorted) {
    if (count >= rank) {
      return bound === Infinity ? Infinity : below + ((bound - below) * (rank - before)) / (count - before);
    }
    [below, before] = [bound, count];
  }
  return below;
}
