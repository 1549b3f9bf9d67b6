import { Histogram, type HistogramConfiguration, type LabelValues } from 'prom-client';

/** Seconds, from a handler that only counts to one that waits for somebody else. */
export const DURATION_BUCKETS_SECONDS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
];

/** The last observation of a bucket that was part of a trace. Timestamp in epoch seconds. */
interface Exemplar {
  readonly labelSet: { readonly trace_id: string };
  readonly value: number;
  readonly timestamp: number;
}

/** A sample as the registry of prom-client reads it. */
interface Sample {
  readonly metricName: string;
  readonly labels: Record<string, string | number>;
  readonly sharedLabels: object;
  readonly value: number;
  readonly exemplar?: Exemplar | undefined;
}

/** One series of a histogram, kept in plain numbers. */
export class HistogramCell<T extends string> {
  private readonly counts: number[];
  private readonly exemplars: (Exemplar | undefined)[];
  private sum = 0;

  constructor(
    private readonly bounds: readonly number[],
    private readonly labels: LabelValues<T>,
  ) {
    this.counts = Array.from({ length: bounds.length + 1 }, () => 0);
    this.exemplars = this.counts.map(() => undefined);
  }

  /** @param traceId of the trace in which the value was observed, if any */
  observe(value: number, traceId?: string): void {
    let bucket = 0;
    while (bucket < this.bounds.length && value > (this.bounds[bucket] ?? 0)) bucket++;
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1;
    this.sum += value;
    if (traceId === undefined) return;
    this.exemplars[bucket] = { labelSet: { trace_id: traceId }, value, timestamp: Date.now() / 1_000 };
  }

  /** Cumulative, as Prometheus has them. */
  samples(name: string): Sample[] {
    const sharedLabels = this.labels;
    let count = 0;
    const buckets = this.counts.map((own, bucket): Sample => {
      count += own;
      const labels = { le: this.bounds[bucket] ?? '+Inf' };
      return {
        metricName: `${name}_bucket`,
        labels,
        sharedLabels,
        value: count,
        exemplar: this.exemplars[bucket],
      };
    });
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels: {}, sharedLabels, value: this.sum },
      { metricName: `${name}_count`, labels: {}, sharedLabels, value: count },
    ];
  }
}

/**
 * A histogram of prom-client for the hot path. Its `observe` makes a string of the labels each time, which costs a microsecond,
 * more than handing a message to its handler; whoever observes often keeps the cell of its labels instead.
 */
export class PlainHistogram<T extends string> extends Histogram<T> {
  private readonly cells = new Map<string, HistogramCell<T>>();
  private readonly bounds: readonly number[];
  private readonly identity: Pick<HistogramConfiguration<T>, 'name' | 'help'>;

  constructor(options: HistogramConfiguration<T> & { readonly buckets: number[] }) {
    super(options);
    this.bounds = options.buckets;
    this.identity = { name: options.name, help: options.help };
  }

  /** The series of these labels, which must be bounded. */
  cell(labels: LabelValues<T>): HistogramCell<T> {
    const key = JSON.stringify(labels);
    let cell = this.cells.get(key);
    if (cell === undefined) {
      cell = new HistogramCell(this.bounds, labels);
      this.cells.set(key, cell);
    }
    return cell;
  }

  /** Where `get` and the registry read the series from. */
  async getForPromString(): Promise<object> {
    const values = [...this.cells.values()].flatMap((cell) => cell.samples(this.identity.name));
    return { ...this.identity, type: 'histogram', aggregator: 'sum', values };
  }
}
