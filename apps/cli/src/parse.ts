import { InvalidArgumentError } from 'commander';

const UNITS_MS = { s: 1_000, min: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const LONGEST_DAYS = 3_650;

/** `90s`, `10min`, `2h`, `1d` as milliseconds, ten years at most. */
export function parseDuration(text: string): number {
  const [, count, unit] = /^([1-9]\d*)(s|min|h|d)$/.exec(text) ?? [];
  if (unit === undefined) throw new InvalidArgumentError('Give a number and a unit: 90s, 10min, 2h or 1d.');
  const duration = Number(count) * UNITS_MS[unit as keyof typeof UNITS_MS];
  if (duration > LONGEST_DAYS * UNITS_MS.d) {
    throw new InvalidArgumentError(`Give no more than ${LONGEST_DAYS}d.`);
  }
  return duration;
}

/** A time with its zone, such as `2026-11-23T12:00:00Z`. */
export function parseTime(text: string): Date {
  // Without a zone the same command would mean another time on another machine.
  const isZoned = /T.*(Z|[+-]\d\d:\d\d)$/.test(text);
  const time = new Date(text);
  if (!isZoned || Number.isNaN(time.getTime())) {
    throw new InvalidArgumentError('Give a time with its zone, such as 2026-11-23T12:00:00Z.');
  }
  return time;
}

/** A sequence, or a time. */
export function parsePosition(text: string): number | Date {
  return /^\d{1,15}$/.test(text) ? Number(text) : parseTime(text);
}

export function parseLimit(text: string): number {
  const limit = Number(text);
  if (!Number.isInteger(limit) || limit < 1 || limit > 10_000) {
    throw new InvalidArgumentError('Give a whole number from 1 to 10000.');
  }
  return limit;
}
