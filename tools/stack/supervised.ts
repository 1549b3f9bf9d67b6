import { setTimeout as delay } from 'node:timers/promises';
import { describeExit, type ManagedProcess } from '../process/managed-process.ts';
import { startFailure } from '../servers/running-server.ts';
import { messageOf, SetupError } from '../setup-error.ts';
import type { StackEvent } from './events.ts';
import { RECOVERED_AFTER_MS, restartDelayMs } from './restart-delay.ts';

/** A process the stack keeps running. */
export interface Unit {
  readonly name: string;
  readonly stopStage: number;
  launch(signal: AbortSignal): Promise<ManagedProcess>;
  /** Resolves when the process answers; rejects when it has ended. */
  waitUntilReady(process: ManagedProcess, signal: AbortSignal): Promise<void>;
}

export interface SupervisedOptions {
  /** Whether it is started again when it dies. */
  readonly restart: boolean;
  /** @default restartDelayMs */
  readonly delayMs?: ((failures: number) => number) | undefined;
  readonly onEvent: (event: StackEvent) => void;
}

const EARLY_FAILURES = 3;

export class Supervised {
  readonly unit: Unit;
  readonly #options: SupervisedOptions;
  #process: ManagedProcess | undefined;
  #wanted = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #readiness = Promise.withResolvers<void>();
  #isReady = false;
  #firstStart: PromiseWithResolvers<void> | undefined;
  #failures = 0;

  constructor(unit: Unit, options: SupervisedOptions) {
    this.unit = unit;
    this.#options = options;
    this.#wanted.abort();
  }

  get name(): string {
    return this.unit.name;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Starts it for the first time; rejects when it cannot be brought up. */
  async start(timeoutMs: number): Promise<void> {
    const first = Promise.withResolvers<void>();
    this.#firstStart = first;
    this.resume();
    const timer = setTimeout(() => first.reject(this.#tooSlow(timeoutMs)), timeoutMs);
    try {
      await first.promise;
    } finally {
      clearTimeout(timer);
      this.#firstStart = undefined;
    }
  }

  /** Resolves as soon as it answers: at once, or after the restart that is under way. */
  ready(): Promise<void> {
    return this.#readiness.promise;
  }

  /** A signal that ends the process is waited for. */
  async kill(signal: NodeJS.Signals): Promise<void> {
    const process = this.#process;
    if (!process) throw new Error(`${this.name} is not running`);
    process.kill(signal);
    if (signal !== 'SIGSTOP' && signal !== 'SIGCONT') await process.exited;
  }

  /** Stops it until `resume`. */
  async halt(): Promise<void> {
    this.#wanted.abort(new Error(`${this.name} is being stopped`));
    this.#firstStart?.reject(this.#wanted.signal.reason);
    await this.#process?.stop();
    await this.#running;
  }

  resume(): void {
    if (!this.#wanted.signal.aborted) return;
    this.#wanted = new AbortController();
    this.#running = this.#run(this.#wanted.signal);
  }

  killNow(): void {
    this.#wanted.abort();
    this.#process?.kill('SIGKILL');
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { failure, launched } = await this.#runOnce(signal);
      if (signal.aborted) return;
      if (!this.#options.restart || this.#givesUp(launched)) {
        this.#report(failure);
        this.#firstStart?.reject(failure);
        return;
      }
      const restartInMs = (this.#options.delayMs ?? restartDelayMs)(this.#failures);
      this.#report(failure, restartInMs);
      await delay(restartInMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** From launch to end; returns why it ended. */
  async #runOnce(signal: AbortSignal): Promise<{ failure: Error; launched: boolean }> {
    const startedAt = performance.now();
    let launched = false;
    try {
      const process = await this.unit.launch(signal);
      launched = true;
      this.#process = process;
      if (signal.aborted) await process.stop();
      const watched = this.#announceReady(process, { startedAt, signal });
      const reason = describeExit(await process.exited);
      this.#becomeUnready();
      await watched;
      return { launched, failure: this.#firstStart ? startFailure(process, reason) : new SetupError(reason) };
    } catch (error) {
      return { launched, failure: error instanceof Error ? error : new SetupError(messageOf(error)) };
    } finally {
      this.#process = undefined;
      this.#failures = performance.now() - startedAt > RECOVERED_AFTER_MS ? 1 : this.#failures + 1;
    }
  }

  async #announceReady(
    process: ManagedProcess,
    { startedAt, signal }: { startedAt: number; signal: AbortSignal },
  ): Promise<void> {
    try {
      await this.unit.waitUntilReady(process, signal);
    } catch {
      // It ended or is being stopped: whoever waits for its end reports that.
      return;
    }
    const afterMs = performance.now() - startedAt;
    this.#options.onEvent({ kind: 'ready', name: this.name, pid: process.pid, afterMs });
    this.#isReady = true;
    this.#readiness.resolve();
    this.#firstStart?.resolve();
  }

  /** At once when it ends: whoever waits for that end and then for readiness must get the next one's. */
  #becomeUnready(): void {
    if (this.#isReady) this.#readiness = Promise.withResolvers();
    this.#isReady = false;
  }

  /** Before it was ever ready a failure is one of the setup; after that the stack never gives up. */
  #givesUp(launched: boolean): boolean {
    return this.#firstStart !== undefined && (!launched || this.#failures >= EARLY_FAILURES);
  }

  #report(failure: Error, restartInMs?: number): void {
    this.#options.onEvent({ kind: 'failed', name: this.name, reason: failure.message, restartInMs });
  }

  #tooSlow(timeoutMs: number): SetupError {
    const reason = `was not ready within ${Math.round(timeoutMs / 1000)} s`;
    return this.#process ? startFailure(this.#process, reason) : new SetupError(`${this.name} ${reason}`);
  }
}
