import { afterEach, beforeEach, expect, it } from '@jest/globals';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startProcess } from './managed-process.ts';

let directory: string;

beforeEach(() => {
  directory = realpathSync(mkdtempSync(join(tmpdir(), 'slipstream-managed-')));
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Pids of those that run in the directory. */
function runningThere(): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return readlinkSync(`/proc/${pid}/cwd`) === directory;
    } catch {
      return false;
    }
  });
}

it('a process that cannot be recorded does not run on, unknown to everybody', async () => {
  const recordDir = join(directory, 'run');
  mkdirSync(recordDir);
  symlinkSync(join(directory, 'missing', 'record'), join(recordDir, 'sleeper.json'));
  const start = startProcess({
    name: 'sleeper',
    command: 'sleep',
    args: ['60'],
    cwd: directory,
    env: process.env,
    logFile: join(directory, 'sleeper.log'),
    recordDir,
  });
  await expect(start).rejects.toMatchObject({ code: 'ENOENT' });
  expect(runningThere()).toEqual([]);
});
