import type { ConsumerOverview } from '../../src/api.js';

/** A durable that keeps an order has the consumers `<durable>-p0`, `<durable>-p1` and so on. */
const PARTITION = /-p\d+$/;

type Named = Pick<ConsumerOverview, 'stream' | 'name'>;

export interface Total {
  readonly lag: number;
  readonly unacked: number;
  readonly redelivered: number;
  readonly ackFloor: number;
  readonly lastDeliveredAt: string | null;
}

export function isPartitionOf(consumer: string, durable: string): boolean {
  return PARTITION.test(consumer) && consumer.replace(PARTITION, '') === durable;
}

/** What a page about `wanted` is of: the consumer of this name, or the partitions of the durable of this name. */
export function findNames(names: readonly string[], wanted: string): string[] {
  return names.includes(wanted) ? [wanted] : names.filter((name) => isPartitionOf(name, wanted));
}

export function countDurables(consumers: readonly Named[]): number {
  return byDurable(consumers).length;
}

export function byDurable<T extends Named>(consumers: readonly T[]): T[][] {
  return [
    ...Map.groupBy(consumers, ({ stream, name }) => `${stream}/${name.replace(PARTITION, '')}`).values(),
  ];
}

/** Of one durable. Each partition reads every message, so one that waits is counted by all of them. */
export function sumPartitions(partitions: readonly ConsumerOverview[]): Total {
  const all = (valueOf: (partition: ConsumerOverview) => number) => partitions.map(valueOf);
  const delivered = partitions.flatMap(({ lastDeliveredAt }) => lastDeliveredAt ?? []);
  return {
    lag: Math.max(0, ...all(({ lag }) => lag)),
    unacked: sum(all(({ ackPending }) => ackPending)),
    redelivered: sum(all(({ redelivered }) => redelivered)),
    ackFloor: Math.min(...all(({ ackFloor }) => ackFloor)),
    lastDeliveredAt: delivered.toSorted((a, b) => Date.parse(a) - Date.parse(b)).at(-1) ?? null,
  };
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
