import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT_DIR } from '../../tools/paths.ts';

export const PROMETHEUS_DIR = join(ROOT_DIR, 'docker', 'prometheus');
export const CONFIG_FILE = join(PROMETHEUS_DIR, 'prometheus.yml');
const RULES_DIR = join(PROMETHEUS_DIR, 'rules');

const UNITS_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
/** `for: 1m`, windows such as `[5m]` and `offset 1h`; names such as `…:rate5m` are left alone. */
const DURATION = /(?<=\bfor: |\bkeep_firing_for: |\[|\boffset )(\d+)([smhd])\b/g;

/** Rules in which everything takes a fraction of its time. Thresholds stay, also those that are seconds. */
export function shorten(rules: string, divisor: number): string {
  return rules.replace(DURATION, (_, count: string, unit: string) => {
    return `${Math.round((Number(count) * (UNITS_MS[unit] ?? 0)) / divisor)}ms`;
  });
}

/**
 * Writes the configuration that is shipped, and its rules, for processes of this machine.
 * @param targets address by service
 * @param intervalMs between scrapes and between evaluations; windows become shorter by as much
 * @returns the file to start Prometheus with
 */
export function writeShortenedConfig(
  directory: string,
  { targets, intervalMs }: { targets: Readonly<Record<string, string>>; intervalMs: number },
): string {
  const config = readFileSync(CONFIG_FILE, 'utf8');
  const shipped = /scrape_interval: (\d+)s/.exec(config)?.[1];
  if (!shipped) throw new Error('the shipped configuration has no scrape interval in seconds');
  mkdirSync(join(directory, 'rules'), { recursive: true });
  for (const file of readdirSync(RULES_DIR)) {
    const rules = readFileSync(join(RULES_DIR, file), 'utf8');
    writeFileSync(join(directory, 'rules', file), shorten(rules, (Number(shipped) * 1_000) / intervalMs));
  }
  const file = join(directory, 'prometheus.yml');
  const local = config
    .replaceAll(`_interval: ${shipped}s`, `_interval: ${intervalMs}ms`)
    .replaceAll(/(?<=targets: \[')([\w-]+):\d+/g, (_, service: string) => targets[service] ?? 'missing:0');
  writeFileSync(file, local);
  return file;
}
