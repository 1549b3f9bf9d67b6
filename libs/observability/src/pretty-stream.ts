import type { DestinationStream } from 'pino';

const UNPRINTABLE = /[\p{Cc}\u2028\u2029]/gu;
const KEPT_IN_STACKS = /[^\P{Cc}\n\t]/gu;

/** Prints log lines for a human: time, level, message, then the fields. */
export class PrettyStream implements DestinationStream {
  constructor(private readonly target: { write(text: string): unknown }) {}

  write(line: string): void {
    this.target.write(format(line));
  }
}

function format(line: string): string {
  const {
    time,
    level,
    msg,
    service: _service,
    pid: _pid,
    ...fields
  } = JSON.parse(line) as Record<string, unknown>;
  const clock = String(time).slice(11, 23);
  const details = Object.entries(fields).map(([name, value]) => ` ${name}=${formatValue(value)}`);
  return `${clock} ${String(level).toUpperCase().padEnd(5)} ${formatValue(msg)}${details.join('')}\n`;
}

function formatValue(value: unknown): string {
  if (typeof value === 'object' && value !== null && 'stack' in value) {
    return `\n${printable(String(value.stack), KEPT_IN_STACKS)}`;
  }
  return printable(typeof value === 'string' ? value : JSON.stringify(value ?? ''));
}

/** An escape sequence or a line break in a text from outside must not reach the terminal. */
function printable(text: string, unsafe = UNPRINTABLE): string {
  return text.replaceAll(unsafe, (character) => {
    const code = character.charCodeAt(0).toString(16).padStart(4, '0');
    return `\\u${code}`;
  });
}
