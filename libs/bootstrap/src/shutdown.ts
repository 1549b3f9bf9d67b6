import { constants } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';

/** Signals that drain the process. A second one ends it at once. */
const DRAIN_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
type DrainSignal = (typeof DRAIN_SIGNALS)[number];

/** Longest time that requests in flight hold the drain, in milliseconds; after it their connections are cut. */
const HTTP_DRAIN_MS = 10_000;

/** Longest time that a drain waits for a start in progress, in milliseconds. */
const START_GRACE_MS = 5_000;

/** What `Shutdown` uses of `process`. */
export interface ProcessPort {
  on(event: string, listener: (value: unknown) => void): unknown;
  off(event: string, listener: (value: unknown) => void): unknown;
  exit(code: number): void;
}

export interface ShutdownOptions {
  /** Longest drain after a signal, in milliseconds. After it the process exits with code 1. */
  readonly drainTimeoutMs: number;
  /** Longest drain after an error nobody caught, in milliseconds. */
  readonly fatalDrainTimeoutMs: number;
  readonly log: ShutdownLog;
}

export interface ShutdownLog {
  log(message: string): void;
  fatal(message: unknown): void;
  /** Resolves once everything logged so far is written. */
  flush(): Promise<void>;
}

/**
 * Ends the process in an orderly way: on SIGTERM, SIGINT or SIGHUP it drains the app and exits with 0; on an error
 * nobody caught it logs it, drains and exits with 1. Nest's own `enableShutdownHooks()` has neither a deadline nor
 * a second-signal exit, and tears an app down while it is still starting.
 */
export class Shutdown {
  private app: NestFastifyApplication | undefined;
  private starting: Promise<unknown> = Promise.resolve();
  private stopping = false;
  private readonly listeners: (readonly [event: string, listener: (value: unknown) => void])[] = [];

  constructor(
    private readonly process: ProcessPort,
    private readonly options: ShutdownOptions,
  ) {}

  /** True once a drain began; errors of a start that is still running are then of no interest. */
  isStopping(): boolean {
    return this.stopping;
  }

  install(): void {
    for (const signal of DRAIN_SIGNALS) {
      this.listen(signal, () => void this.onSignal(signal));
    }
    this.listen('uncaughtException', (error) => void this.onFatal(error));
    this.listen('unhandledRejection', (reason) => void this.onFatal(reason));
  }

  uninstall(): void {
    for (const [event, listener] of this.listeners.splice(0)) {
      this.process.off(event, listener);
    }
  }

  /** Names the app to close, and the start that a drain lets finish first. */
  attach(app: NestFastifyApplication, starting: Promise<unknown>): void {
    this.app = app;
    this.starting = starting.catch(() => undefined);
  }

  private async onSignal(signal: DrainSignal): Promise<void> {
    if (this.stopping) {
      this.process.exit(128 + constants.signals[signal]);
      return;
    }
    this.options.log.log(`${signal} received, draining`);
    await this.drain({ signal, exitCode: 0, timeoutMs: this.options.drainTimeoutMs });
  }

  private async onFatal(error: unknown): Promise<void> {
    this.options.log.fatal(error);
    if (!this.stopping) {
      await this.drain({ exitCode: 1, timeoutMs: this.options.fatalDrainTimeoutMs });
    }
  }

  private async drain(how: { signal?: DrainSignal; exitCode: number; timeoutMs: number }): Promise<void> {
    this.stopping = true;
    const deadline = new AbortController();
    try {
      await Promise.race([this.close(how.signal), expire(how.timeoutMs, deadline.signal)]);
      this.options.log.log('drained');
      await this.exit(how.exitCode);
    } catch (error) {
      this.options.log.fatal(error);
      await this.exit(1);
    } finally {
      deadline.abort();
    }
  }

  private async exit(code: number): Promise<void> {
    await this.options.log.flush();
    this.process.exit(code);
  }

  private async close(signal: DrainSignal | undefined): Promise<void> {
    const app = this.app;
    if (app === undefined) {
      return;
    }
    await Promise.race([this.starting, delay(START_GRACE_MS, undefined, { ref: false })]);
    const cut = setTimeout(() => app.getHttpServer().closeAllConnections(), HTTP_DRAIN_MS);
    try {
      // Nest's interface hides that close() takes the signal, which hooks are told.
      const closable: { close(signal?: string): Promise<void> } = app;
      await closable.close(signal);
    } finally {
      clearTimeout(cut);
    }
  }

  private listen(event: string, listener: (value: unknown) => void): void {
    this.listeners.push([event, listener]);
    this.process.on(event, listener);
  }
}

async function expire(timeoutMs: number, signal: AbortSignal): Promise<void> {
  await delay(timeoutMs, undefined, { signal }).catch(() => undefined);
  throw new Error(`The drain did not end within ${timeoutMs} ms.`);
}
