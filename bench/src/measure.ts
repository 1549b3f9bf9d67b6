import type { Variant } from './benchmark.js';

export interface Measurement {
  readonly label: string;
  /** Units per second of every round. */
  readonly rates: readonly number[];
  readonly median: number;
  /** (max - min) / median. */
  readonly spread: number;
}

/**
 * Runs every variant once in each round, so that whatever else the machine does meets all of them. The order turns from
 * round to round. The first round only warms up.
 */
export async function measure(variants: readonly Variant[], rounds: number): Promise<Measurement[]> {
  const rates = new Map<string, number[]>(variants.map(({ label }) => [label, []]));
  for (let round = 0; round <= rounds; round++) {
    const turned = [
      ...variants.slice(round % variants.length),
      ...variants.slice(0, round % variants.length),
    ];
    for (const variant of turned) {
      const { units, elapsedMs } = await variant.run();
      if (round > 0) rates.get(variant.label)?.push((units / elapsedMs) * 1_000);
    }
  }
  return variants.map(({ label }) => summarise(label, rates.get(label) ?? []));
}

function summarise(label: string, rates: readonly number[]): Measurement {
  const sorted = rates.toSorted((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
  const spread = ((sorted.at(-1) ?? 0) - (sorted[0] ?? 0)) / median;
  return { label, rates, median, spread };
}
