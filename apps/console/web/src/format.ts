/** Shown for what is not known. */
export const UNKNOWN = '–';

const INTEGER = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 0 });
const SMALL = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 1 });
const TIME = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' });
const DATE_TIME = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });
const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
const SPANS = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1_000, 's'],
] as const;

export function formatCount(count: number): string {
  return INTEGER.format(count);
}

/** Few per second are shown with a decimal: 0.4 is not nothing. */
export function formatRate(rate: number | null | undefined): string {
  if (rate === null || rate === undefined) return UNKNOWN;
  return (rate < 10 ? SMALL : INTEGER).format(rate);
}

export function formatBytes(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), BYTE_UNITS.length - 1);
  return `${(power === 0 ? INTEGER : SMALL).format(bytes / 1_024 ** power)} ${BYTE_UNITS[power]}`;
}

/** The two largest units that say something, such as "2 h 10 min". */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  const [largest, next] = SPANS.slice(SPANS.findIndex(([span]) => ms >= span));
  if (!largest) return '0 s';
  const rest = next ? Math.floor((ms % largest[0]) / next[0]) : 0;
  return `${Math.floor(ms / largest[0])} ${largest[1]}${next && rest > 0 ? ` ${rest} ${next[1]}` : ''}`;
}

/** One unit; the clock of the server may be a little ahead. */
export function formatAge(at: string | null, now: number): string {
  if (at === null || at === '') return UNKNOWN;
  const age = now - Date.parse(at);
  if (Number.isNaN(age)) return UNKNOWN;
  if (age < 1_000) return 'just now';
  const [span, unit] = SPANS.find(([length]) => age >= length) ?? [1_000, 's'];
  return `${Math.floor(age / span)} ${unit} ago`;
}

/** With its date unless it is of today. */
export function formatTime(at: string | number): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return UNKNOWN;
  const isToday = date.toDateString() === new Date().toDateString();
  return (isToday ? TIME : DATE_TIME).format(date);
}

export function formatAmount(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

/** For a field of the type `datetime-local`. */
export function toLocalInput(date: Date): string {
  const local = new Date(date.getTime() - date.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 19);
}
