import { setTimeout as delay } from 'node:timers/promises';
import { describeExit, type ManagedProcess } from '../process/managed-process.ts';
import { messageOf, SetupError } from '../setup-error.ts';

/** A server that answers. Its `exited` never rejects; `stop` lets it shut down in order. */
export interface RunningServer extends ManagedProcess {
  readonly url: string;
  readonly port: number;
}

export interface Patience {
  /** @default 25 */
  readonly intervalMs?: number;
  /** @default for ever */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * Asks until the process answers. When it ends, or the time is over, or the signal says so, it is stopped and
 * the error says what its log says.
 */
export async function waitForAnswer(
  server: ManagedProcess,
  probe: () => Promise<unknown>,
  { intervalMs = 25, timeoutMs = Infinity, signal }: Patience,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  const state: { exit?: string } = {};
  void server.exited.then((exit) => (state.exit = describeExit(exit)));
  for (;;) {
    const failure = await probe().then(() => undefined, messageOf);
    if (state.exit) throw startFailure(server, state.exit);
    if (failure === undefined) return;
    if (Date.now() > deadline || signal?.aborted) {
      await server.stop();
      signal?.throwIfAborted();
      throw startFailure(server, `was not ready within ${Math.round(timeoutMs / 1000)} s (${failure})`);
    }
    await delay(intervalMs);
  }
}

export function startFailure(server: ManagedProcess, reason: string): SetupError {
  const log = server.lastLogLines().map((line) => `  | ${line}`);
  return new SetupError([`${server.name} ${reason}`, ...log].join('\n'));
}
