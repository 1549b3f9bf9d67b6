import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Benchmark, PreparedBenchmark } from './benchmark.js';
import type { Measurement } from './measure.js';

export interface Report {
  readonly name: string;
  readonly rates: Readonly<Record<string, number>>;
  readonly ratios: Readonly<Record<string, number>>;
  readonly latencyMs?: Readonly<Record<string, number>>;
  readonly env: Readonly<Record<string, string | number | boolean>>;
  /** Ratios below their floor, in words. */
  readonly failures: readonly string[];
}

/** @param share of its floor that a ratio has to reach */
export function createReport(
  { name, ratios: wanted }: Benchmark,
  prepared: PreparedBenchmark,
  measurements: readonly Measurement[],
  share: number,
): Report {
  const rates = Object.fromEntries(measurements.map(({ label, median }) => [label, Math.round(median)]));
  const figures: Record<string, number> = { ...rates, ...prepared.figures?.() };
  const ratios: Record<string, number> = {};
  const failures: string[] = [];
  const ratesOf = (label: string) => measurements.find((measured) => measured.label === label)?.rates;
  for (const { label, of, to, floor } of wanted) {
    const ratio = pairedRatio(ratesOf(of), ratesOf(to)) ?? (figures[of] ?? 0) / (figures[to] ?? 1);
    ratios[label] = Number(ratio.toFixed(3));
    const least = share * floor;
    if (ratio < least) failures.push(`${label} is ${ratio.toFixed(2)}, below ${least}`);
  }
  const latencyMs = prepared.latencyMs?.();
  const env = { ...machine(), ...prepared.settings };
  return { name, rates, ratios, ...(latencyMs && { latencyMs }), env, failures };
}

/** What the rest of the machine does changes from round to round, and meets both alike within one. */
function pairedRatio(of?: readonly number[], to?: readonly number[]): number | undefined {
  if (!of || !to) return undefined;
  const ratios = of.map((rate, round) => rate / (to[round] ?? NaN)).toSorted((a, b) => a - b);
  return ratios[Math.floor(ratios.length / 2)];
}

/** Writes `<directory>/<name>.json`. */
export function writeReport(report: Report, directory: string): void {
  const { failures: _, ...content } = report;
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, `${report.name}.json`), `${JSON.stringify(content, undefined, 2)}\n`);
}

export function formatReport(report: Report, unit: string, measurements: readonly Measurement[]): string {
  const width = Math.max(
    ...[...measurements, ...Object.keys(report.ratios)].map((row) => labelOf(row).length),
  );
  const rates = measurements.map(
    ({ label, median, spread }) =>
      `  ${label.padEnd(width)}  ${Math.round(median).toLocaleString('en').padStart(9)} ${unit}/s  ± ${Math.round(spread * 50)} %`,
  );
  const ratios = Object.entries(report.ratios).map(
    ([label, ratio]) => `  ${label.padEnd(width)}  ${ratio.toFixed(2).padStart(9)}`,
  );
  const latencies = Object.entries(report.latencyMs ?? {}).map(
    ([label, ms]) => `  ${label.padEnd(width)}  ${ms.toFixed(1).padStart(9)} ms`,
  );
  const env = Object.entries(report.env).map(([key, value]) => `${key} ${value}`);
  return [`${report.name}  (${env.join(', ')})`, ...rates, ...ratios, ...latencies, ''].join('\n');
}

function labelOf(row: Measurement | string): string {
  return typeof row === 'string' ? row : row.label;
}

function machine(): Record<string, string | number> {
  return {
    node: process.version,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    commit: commit(),
  };
}

function commit(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return 'unknown';
  }
}
