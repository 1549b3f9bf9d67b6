import type { StackEvent, StackStep } from './events.ts';

const TTY_INTERVAL_MS = 500;
const LINE_INTERVAL_MS = 10_000;

const ERASE_LINE = '\r\x1b[K';

export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Tells what is being done and how long it takes: in place on a terminal, in plain lines elsewhere. */
export class Reporter {
  readonly #output: Output;
  #unfinished = false;

  constructor(output: Output = process.stdout) {
    this.#output = output;
  }

  line(text: string): void {
    this.#output.write(`${this.#unfinished ? ERASE_LINE : ''}${text}\n`);
    this.#unfinished = false;
  }

  step: StackStep = async (title, work, detail) => {
    const startedAt = performance.now();
    const elapsed = () => formatSeconds(performance.now() - startedAt);
    const { isTTY = false, columns = 80 } = this.#output;
    const tick = () => {
      const text = `  … ${title}  ${elapsed()}`;
      this.#unfinished = isTTY;
      this.#output.write(isTTY ? `${ERASE_LINE}${text.slice(0, columns - 1)}` : `${text}\n`);
    };
    if (isTTY) tick();
    const timer = setInterval(tick, isTTY ? TTY_INTERVAL_MS : LINE_INTERVAL_MS);
    try {
      const result = await work();
      const told = detail?.(result);
      this.line(`  ✓ ${title}${told ? `: ${told}` : ''}  ${elapsed()}`);
      return result;
    } catch (error) {
      this.line(`  ✗ ${title}  ${elapsed()}`);
      throw error;
    } finally {
      clearInterval(timer);
    }
  };
}

/** A restart as one line; undefined for what the steps of the start tell already. */
export function describeEvent(event: StackEvent, restarted: boolean): string | undefined {
  if (event.kind === 'ready') {
    return restarted
      ? `  ✓ ${event.name} is back after ${formatSeconds(event.afterMs)}, pid ${event.pid}`
      : undefined;
  }
  const [reason] = event.reason.split('\n');
  const subject = reason?.startsWith(event.name) ? reason : `${event.name} ${reason}`;
  const next =
    event.restartInMs === undefined ? '' : `; restarting it in ${formatSeconds(event.restartInMs)}`;
  return `  ! ${subject}${next}`;
}

/** Rows with their columns aligned; a row's last cell may be of any length. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.slice(0, -1).forEach((cell, column) => (widths[column] = Math.max(widths[column] ?? 0, cell.length)));
  }
  const lines = rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '));
  return lines.map((line) => `  ${line.trimEnd()}`).join('\n');
}

export function formatSeconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}

/** URLs without what lets one in, for servers whose credentials are the user's own. */
export function withoutPassword(urls: string): string {
  return urls.replace(/:\/\/([^:@/,]*)(:[^@/,]*)?@/g, (_match, user: string, password?: string) =>
    // A user without a password may be a token.
    password ? `://${user}:…@` : '://…@',
  );
}
