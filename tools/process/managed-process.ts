import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { guard } from './guard.ts';
import { processIdentity } from './identity.mjs';
import { endOfLog, sizeOfLog } from './log-file.ts';
import { forgetProcess, recordProcess } from './process-record.ts';

export interface SystemUser {
  readonly uid: number;
  readonly gid: number;
}

export interface ProcessOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** Standard output and error are appended here. */
  readonly logFile: string;
  /** Where the process is noted, so that a later run finds it if it outlives this one. */
  readonly recordDir?: string;
  readonly user?: SystemUser;
  /** @default 'SIGTERM' */
  readonly stopSignal?: NodeJS.Signals;
  /** @default 10_000 */
  readonly stopTimeoutMs?: number;
  /** Lower stages are stopped first when this process dies. @default 0 */
  readonly stopStage?: number;
}

export interface ExitStatus {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ManagedProcess {
  readonly name: string;
  readonly pid: number;
  /** Never rejects. */
  readonly exited: Promise<ExitStatus>;
  kill(signal: NodeJS.Signals): void;
  /** Asks it to stop, kills it when it does not. Safe to call again. */
  stop(): Promise<ExitStatus>;
  /** What it has written to its log since it was started: the last lines. */
  lastLogLines(): string[];
}

export async function startProcess(options: ProcessOptions): Promise<ManagedProcess> {
  mkdirSync(dirname(options.logFile), { recursive: true });
  const logStart = sizeOfLog(options.logFile);
  const child = await spawnLogged(options);
  const pid = child.pid ?? 0;
  const { stopSignal = 'SIGTERM', stopTimeoutMs = 10_000, stopStage = 0 } = options;
  const exited = new Promise<ExitStatus>((resolve) => {
    child.once('exit', (code, signal) => {
      guard.forget(pid);
      if (options.recordDir) forgetProcess(options.recordDir, options.name);
      resolve({ code, signal });
    });
  });
  const identity = processIdentity(pid);
  const stoppable = { pid, identity, stage: stopStage, signal: stopSignal, timeoutMs: stopTimeoutMs };
  guard.watch(stoppable);
  try {
    if (options.recordDir) recordProcess(options.recordDir, { ...stoppable, name: options.name });
  } catch (error) {
    // Nobody would know of it, and its next start would find its port and its data in use.
    await stopChild(child, exited, stoppable);
    throw error;
  }
  return {
    name: options.name,
    pid,
    exited,
    kill: (signal) => void child.kill(signal),
    stop: () => stopChild(child, exited, stoppable),
    lastLogLines: () => endOfLog(options.logFile, logStart),
  };
}

export function describeExit({ code, signal }: ExitStatus): string {
  return signal ? `was killed by ${signal}` : `exited with code ${code}`;
}

async function spawnLogged(options: ProcessOptions): Promise<ChildProcess> {
  const log = openSync(options.logFile, 'a');
  try {
    const child = spawn(options.command, [...options.args], {
      cwd: options.cwd,
      env: options.env,
      ...options.user,
      // A session of its own: Ctrl-C reaches the supervisor only, which stops things in order.
      detached: true,
      stdio: ['ignore', log, log],
    });
    await once(child, 'spawn');
    return child;
  } finally {
    closeSync(log);
  }
}

async function stopChild(
  child: ChildProcess,
  exited: Promise<ExitStatus>,
  { signal, timeoutMs }: { signal: NodeJS.Signals; timeoutMs: number },
): Promise<ExitStatus> {
  child.kill(signal);
  // A process paused by SIGSTOP would not see the signal.
  child.kill('SIGCONT');
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
  try {
    return await exited;
  } finally {
    clearTimeout(timer);
  }
}
