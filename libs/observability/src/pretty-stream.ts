import type { DestinationStream } from 'pino';

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
    return `\n${String(value.stack)}`;
  }
  return typeof value === 'string' ? value : JSON.stringify(value ?? '');
}
