const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const;

/** Milliseconds as a person would say them: `90 s`, `14 d`. Exact, never rounded. */
export function inWords(ms: number): string {
  const [unit, size] = UNITS.find(([, length]) => ms >= length && ms % length === 0) ?? ['ms', 1];
  return `${ms / size} ${unit}`;
}

/** Nanoseconds of a limit, where 0 is none. */
export function ageInWords(ns: number): string {
  return ns > 0 ? inWords(ns / 1e6) : 'unlimited';
}

/** Bytes of a limit, where -1 and 0 are none. */
export function bytesInWords(bytes: number): string {
  return bytes > 0 ? `${bytes} bytes` : 'unlimited';
}
