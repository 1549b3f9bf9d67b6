import { waitFor } from '@slipstream/testing';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { processIdentity } from './identity.mjs';
import { recordProcess, stopLeftovers } from './process-record.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'slipstream-guard-'));
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** A tool that starts a process and a temporary directory, says so, and then does nothing. */
function writeTool(): string {
  const file = join(directory, 'tool.ts');
  const source = (name: string) => JSON.stringify(join(import.meta.dirname, name));
  writeFileSync(
    file,
    `import { startProcess } from ${source('managed-process.ts')};
     import { guard } from ${source('guard.ts')};
     guard.removeAtExit(${JSON.stringify(join(directory, 'temporary'))});
     const { pid } = await startProcess({ name: 'sleeper', command: 'sleep', args: ['600'], cwd: '/', env: process.env,
       logFile: ${JSON.stringify(join(directory, 'temporary', 'sleeper.log'))} });
     console.log(pid);
     setInterval(() => undefined, 1000);`,
  );
  return file;
}

it('a tool that is killed leaves neither its processes nor its temporary directories behind', async () => {
  const tool = spawn(process.execPath, [writeTool()], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(tool.stdout, 'data')) as [Buffer];
  const pid = Number(line.toString());
  expect(processIdentity(pid)).toBeDefined();
  expect(existsSync(join(directory, 'temporary'))).toBe(true);

  tool.kill('SIGKILL');
  await waitFor('the process to be stopped', () => processIdentity(pid) === undefined);
  await waitFor('the directory to be removed', () => !existsSync(join(directory, 'temporary')));
});

it('a recorded process that outlived its tool is stopped by the next one', async () => {
  const child = spawn('sleep', ['600'], { stdio: 'ignore' });
  const exited = once(child, 'exit');
  const pid = child.pid ?? 0;
  const stoppable = {
    pid,
    identity: processIdentity(pid),
    stage: 0,
    signal: 'SIGTERM',
    timeoutMs: 5_000,
  } as const;
  recordProcess(join(directory, 'run'), { name: 'sleeper', ...stoppable });
  await expect(stopLeftovers(join(directory, 'run'))).resolves.toMatchObject([{ name: 'sleeper', pid }]);
  await expect(exited).resolves.toEqual([null, 'SIGTERM']);
});

it('a record whose pid is another process by now stops nothing', async () => {
  const stoppable = {
    pid: process.pid,
    identity: 'of an earlier one',
    stage: 0,
    signal: 'SIGKILL',
    timeoutMs: 0,
  } as const;
  recordProcess(join(directory, 'run'), { name: 'self', ...stoppable });
  expect(readFileSync(join(directory, 'run', 'self.json'), 'utf8')).toContain('self');
  await expect(stopLeftovers(join(directory, 'run'))).resolves.toEqual([]);
});
