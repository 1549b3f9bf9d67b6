import { setTimeout as delay } from 'node:timers/promises';
import type { LoggerService } from '@nestjs/common';
import { Logger, PinoLogger } from 'nestjs-pino';

type Level = 'log' | 'error' | 'warn' | 'debug' | 'verbose' | 'fatal';
type Line = readonly [level: Level, message: unknown, rest: readonly unknown[]];

const FLUSH_TIMEOUT_MS = 1_000;

/** Parts of Nest that write a line for every module and route at each start. */
const CHATTY_CONTEXTS = new Set<unknown>(['InstanceLoader', 'RoutesResolver', 'RouterExplorer']);

/**
 * Passes what Nest and the app log on to the log that the root module sets up. Before that exists it holds the
 * lines; from then on they are written at once, so that a database which is retried for half a minute during the
 * start is visible while it happens.
 */
export class ProcessLogger implements LoggerService {
  private readonly held: Line[] = [];
  private target: Logger | undefined;

  log(message: unknown, ...rest: unknown[]): void {
    this.write([CHATTY_CONTEXTS.has(rest.at(-1)) ? 'debug' : 'log', message, rest]);
  }

  error(message: unknown, ...rest: unknown[]): void {
    this.write(['error', message, rest]);
  }

  warn(message: unknown, ...rest: unknown[]): void {
    this.write(['warn', message, rest]);
  }

  debug(message: unknown, ...rest: unknown[]): void {
    this.write(['debug', message, rest]);
  }

  verbose(message: unknown, ...rest: unknown[]): void {
    this.write(['verbose', message, rest]);
  }

  fatal(message: unknown, ...rest: unknown[]): void {
    this.write(['fatal', message, rest]);
  }

  /**
   * Resolves once everything logged so far is written, after a second at the latest: nobody may read the output. While
   * there is no log, what ends the process is told on standard error, or nobody would learn why it ended.
   */
  async flush(): Promise<void> {
    if (this.connect() === undefined) {
      for (const [level, message] of this.held.splice(0)) {
        if (level === 'fatal')
          process.stderr.write(`${message instanceof Error ? message.stack : String(message)}\n`);
      }
    } else {
      const written = new Promise<void>((resolve) => PinoLogger.root.flush(() => resolve()));
      await Promise.race([written, delay(FLUSH_TIMEOUT_MS, undefined, { ref: false })]);
    }
  }

  /** Whether the log of the root module exists; if not, nothing was written so far. */
  isConnected(): boolean {
    return this.connect() !== undefined;
  }

  private write(line: Line): void {
    const target = this.connect();
    if (target === undefined) {
      this.held.push(line);
      return;
    }
    for (const [level, message, rest] of [...this.held.splice(0), line]) {
      target[level](message, ...rest);
    }
  }

  private connect(): Logger | undefined {
    // Typed as always present, but undefined until the logger module was set up.
    const root: unknown = PinoLogger.root;
    if (this.target === undefined && root !== undefined) {
      this.target = new Logger(new PinoLogger({}), {});
    }
    return this.target;
  }
}
