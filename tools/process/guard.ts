import { type ChildProcess, spawn } from 'node:child_process';
import { Socket } from 'node:net';
import { join } from 'node:path';
import type { Stoppable } from './stop-in-stages.mjs';

/**
 * Sees to it that no process and no temporary directory outlives this process, not even after SIGKILL.
 * The work is done by a process of its own, which runs only while there is something to watch.
 */
class Guard {
  #child: ChildProcess | undefined;
  readonly #watched = new Map<number, Stoppable>();
  readonly #directories = new Set<string>();

  watch(entry: Stoppable): void {
    this.#watched.set(entry.pid, entry);
    this.#send({ watch: entry });
  }

  forget(pid: number): void {
    if (this.#watched.delete(pid)) this.#send({ forget: pid });
    this.#endWhenIdle();
  }

  removeAtExit(directory: string): void {
    this.#directories.add(directory);
    this.#send({ remove: directory });
  }

  keep(directory: string): void {
    if (this.#directories.delete(directory)) this.#send({ keep: directory });
    this.#endWhenIdle();
  }

  #send(message: object): void {
    const child = (this.#child ??= this.#start());
    child.stdin?.write(`${JSON.stringify(message)}\n`);
  }

  #start(): ChildProcess {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'guard.mjs')], {
      // A session of its own: a signal to the tool's process group must not take the guard along.
      detached: true,
      cwd: '/',
      env: {},
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    child.unref();
    if (child.stdin instanceof Socket) child.stdin.unref();
    child.stdin?.on('error', () => undefined);
    child.once('exit', () => this.#restart(child));
    child.once('error', () => this.#restart(child));
    return child;
  }

  #restart(ended: ChildProcess): void {
    if (this.#child !== ended) return;
    this.#child = undefined;
    for (const entry of this.#watched.values()) this.watch(entry);
    for (const directory of this.#directories) this.removeAtExit(directory);
  }

  #endWhenIdle(): void {
    if (this.#watched.size > 0 || this.#directories.size > 0) return;
    this.#child?.stdin?.end();
    this.#child = undefined;
  }
}

export const guard = new Guard();
