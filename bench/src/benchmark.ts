/** One way of doing the work. Variants of a benchmark do the same work and are run in turns. */
export interface Variant {
  readonly label: string;
  /** Does the work once and returns how many units (messages, rows, orders) were done and in how many milliseconds. */
  run(): Promise<{ readonly units: number; readonly elapsedMs: number }>;
}

export interface Ratio {
  readonly label: string;
  readonly of: string;
  readonly to: string;
  /** Least value that is still good, with margin for a noisy machine. */
  readonly floor: number;
}

export interface Benchmark {
  readonly name: string;
  /** What the rates count, such as `messages`. */
  readonly unit: string;
  readonly ratios: readonly Ratio[];
  /** Prepares the variants; `scale` is 1, or less for a quick run. */
  prepare(environment: BenchEnvironment): Promise<PreparedBenchmark>;
}

export interface PreparedBenchmark {
  readonly variants: readonly Variant[];
  /** Settings that decide what the figures mean, such as durability. */
  readonly settings: Readonly<Record<string, string | number | boolean>>;
  /** Figures beside the rates that ratios may refer to, such as bytes of heap. */
  figures?(): Readonly<Record<string, number>>;
  /** How long one unit took in the last round, such as p50 and p99. */
  latencyMs?(): Readonly<Record<string, number>>;
  close(): Promise<void>;
}

export interface BenchEnvironment {
  readonly natsUrl: string;
  /** A server that has every message on disk before it acknowledges it. */
  readonly natsSyncUrl: string;
  readonly databaseUrl: string;
  readonly scale: number;
}
