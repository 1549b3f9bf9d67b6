import type { DestinationStream } from 'pino';

/** Characters of a line beyond which its texts are shortened. */
const MAX_LINE = 16 * 1_024;
const MAX_TEXT = 1_024;
const MAX_ENTRIES = 50;
const MAX_DEPTH = 6;

/** What JSON leaves as it is, and terminals and editors take for a command or the end of a line. */
const UNESCAPED = /[\u007f-\u009f\u2028\u2029]/;
const UNESCAPED_ALL = new RegExp(UNESCAPED, 'g');

/** Keeps lines short and harmless: a text from outside must not fill the disk, command a terminal or look like a line. */
export class BoundedOutput implements DestinationStream {
  constructor(private readonly target: DestinationStream) {}

  write(line: string): void {
    const short = line.length <= MAX_LINE ? line : `${JSON.stringify(shorten(JSON.parse(line)))}\n`;
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

function shorten(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') {
    return value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}… (${value.length} characters)` : value;
  }
  if (typeof value !== 'object' || value === null) return value;
  if (depth === MAX_DEPTH) return '…';
  if (Array.isArray(value)) return value.slice(0, MAX_ENTRIES).map((entry) => shorten(entry, depth + 1));
  const entries = Object.entries(value).slice(0, MAX_ENTRIES);
  return Object.fromEntries(
    entries.map(([name, entry]) => [name.slice(0, MAX_TEXT), shorten(entry, depth + 1)]),
  );
}
