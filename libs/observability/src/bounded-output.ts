import type { DestinationStream } from 'pino';

/** Characters of a line beyond which its texts are shortened. */
const MAX_LINE = 16 * 1_024;
const MAX_ENTRIES = 50;
const MAX_DEPTH = 6;

/** How much of a line that is too long is kept. */
interface Limits {
  /** Characters of a text. */
  readonly text: number;
  /** Entries of a list or object inside a field. */
  readonly entries: number;
}

const MOST: Limits = { text: 1_024, entries: MAX_ENTRIES };
const LEAST_TEXT = 16;

/** What JSON leaves as it is, and terminals and editors take for a command or the end of a line. */
const UNESCAPED = /[\u007f-\u009f\u2028\u2029]/;
const UNESCAPED_ALL = new RegExp(UNESCAPED, 'g');

/** Keeps lines short and harmless: a text from outside must not fill the disk, command a terminal or look like a line. */
export class BoundedOutput implements DestinationStream {
  constructor(private readonly target: DestinationStream) {}

  write(line: string): void {
    const short = line.length <= MAX_LINE ? line : `${fit(JSON.parse(line))}\n`;
    this.target.write(UNESCAPED.test(short) ? short.replaceAll(UNESCAPED_ALL, escape) : short);
  }

  /** Calls back once everything written so far has left the process. */
  flush(done: (error?: Error | null) => void): void {
    const { flush } = this.target as Partial<Pick<BoundedOutput, 'flush'>>;
    if (flush) flush.call(this.target, done);
    else done();
  }
}

function escape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** Keeps half as much until that is short enough: many texts of a fair length are too long as well. */
function fit(line: unknown, limits = MOST): string {
  const text = JSON.stringify(shorten(line, limits));
  if (text.length <= MAX_LINE || limits.text <= LEAST_TEXT) return text;
  return fit(line, { text: limits.text / 2, entries: Math.floor(limits.entries / 2) });
}

function shorten(value: unknown, limits: Limits, depth = 0): unknown {
  if (typeof value === 'string') {
    const { length } = value;
    return length > limits.text ? `${value.slice(0, limits.text)}… (${length} characters)` : value;
  }
  if (typeof value !== 'object' || value === null) return value;
  if (depth === MAX_DEPTH) return '…';
  const most = depth === 0 ? MAX_ENTRIES : limits.entries;
  if (Array.isArray(value)) return value.slice(0, most).map((entry) => shorten(entry, limits, depth + 1));
  const entries = Object.entries(value).slice(0, most);
  return Object.fromEntries(
    entries.map(([name, entry]) => [name.slice(0, limits.text), shorten(entry, limits, depth + 1)]),
  );
}
