import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface RunningScript {
  readonly pid: number | undefined;
  /** Resolves with the signal or the code it ended with. */
  readonly ended: Promise<NodeJS.Signals | number>;
  /** Standard output and error so far. */
  output(): string;
  kill(signal: NodeJS.Signals): void;
}

/** Runs a TypeScript file of this repository in a process of its own, which ends with this one. */
export function spawnTypeScript(file: string, env: Readonly<Record<string, string>> = {}): RunningScript {
  const hooks = join(rootOf(file), 'libs', 'testing', 'node', 'typescript.mjs');
  const child = spawn(process.execPath, ['--import', hooks, file], {
    // Jest's own flags and variables would reach the process otherwise.
    env: { ...process.env, NODE_OPTIONS: '', NODE_ENV: 'test', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const kill = () => void child.kill('SIGKILL');
  process.once('exit', kill);
  const ended = endOf(child).finally(() => process.off('exit', kill));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  }
  return { pid: child.pid, ended, output: () => output, kill: (signal) => void child.kill(signal) };
}

async function endOf(child: ChildProcess): Promise<NodeJS.Signals | number> {
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return signal ?? code ?? 0;
}

function rootOf(file: string): string {
  for (let directory = dirname(file); directory !== dirname(directory); directory = dirname(directory)) {
    if (existsSync(join(directory, 'nest-cli.json'))) return directory;
  }
  throw new Error(`${file} is not part of the repository`);
}
