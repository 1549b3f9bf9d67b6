import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly uid?: number;
  readonly gid?: number;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Runs a command to its end; returns its standard output, rejects with its standard error. */
export async function runCommand(
  command: string,
  args: readonly string[],
  { timeoutMs = 180_000, ...options }: CommandOptions = {},
): Promise<string> {
  const child = spawn(command, [...args], {
    ...options,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  // Not the option of spawn: its timer goes on when the program cannot be started.
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
  const ended = new Promise<string | undefined>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      resolve(code === 0 ? undefined : signal ? `was killed by ${signal}` : `exited with code ${code}`);
    });
  });
  const results = Promise.all([ended, text(child.stdout), text(child.stderr)]);
  const [failure, output, errors] = await results.finally(() => clearTimeout(timer));
  if (failure === undefined) return output;
  const lastLines = (errors.trim() || output.trim()).split('\n').slice(-20).join('\n');
  throw new Error(`${command} ${failure}: ${lastLines}`);
}
