import { waitFor } from '@slipstream/testing';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { processIdentity } from '../process/identity.mjs';

let clone: string;

beforeEach(() => {
  clone = realpathSync(mkdtempSync(join(tmpdir(), 'slipstream clöne-')));
  for (const part of ['install', 'process']) {
    cpSync(join(import.meta.dirname, '..', part), join(clone, 'tools', part), { recursive: true });
  }
  write('package-lock.json', '{"packages":{}}');
  write('package.json', '{"type":"module"}');
  write(
    'start.mjs',
    `import { runPinned } from './tools/install/run-pinned.mjs'; await runPinned('program.mjs');`,
  );
});

afterEach(() => rmSync(clone, { recursive: true, force: true }));

function write(name: string, content: string): string {
  mkdirSync(dirname(join(clone, name)), { recursive: true });
  writeFileSync(join(clone, name), content);
  return join(clone, name);
}

/** In place of npm: the real one cannot be stopped at a chosen moment. It tells its pid once it is prepared. */
function pretendNpm(script: string, prepare = ''): void {
  const tell = 'echo $$ > npm.new; mv npm.new npm.pid';
  chmodSync(write('bin/npm', ['#!/bin/sh', `cd '${clone}'`, prepare, tell, script, ''].join('\n')), 0o755);
}

/** What an installation leaves. */
function pinNode(): void {
  mkdirSync(join(clone, 'node_modules/node/bin'), { recursive: true });
  symlinkSync(process.execPath, join(clone, 'node_modules/node/bin/node'));
}

function start(command: string, args: readonly string[], cwd = clone): ChildProcess {
  const { INIT_CWD: _, ...env } = process.env;
  return spawn(command, args, {
    cwd,
    env: { ...env, PATH: `${join(clone, 'bin')}:${process.env.PATH}`, npm_lifecycle_event: 'start' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

async function pidIn(name: string): Promise<number> {
  await waitFor(`${name} to be written`, () => existsSync(join(clone, name)));
  return Number(readFileSync(join(clone, name), 'utf8'));
}

it('an installation that is interrupted twice leaves no npm at work behind', async () => {
  pretendNpm('while :; do sleep 0.05; done', `trap 'touch asked' TERM`);
  const started = start(process.execPath, ['start.mjs']);
  const npm = await pidIn('npm.pid');
  started.kill('SIGINT');
  await waitFor('npm to be asked for its end', () => existsSync(join(clone, 'asked')));
  started.kill('SIGINT');
  await expect(once(started, 'exit')).resolves.toEqual([130, null]);
  expect(processIdentity(npm)).toBeUndefined();
});

it('an installation that is interrupted as soon as it begins leaves no npm at work behind', async () => {
  pretendNpm('while :; do sleep 0.05; done', 'echo $$ > early.pid; kill -INT $PPID');
  // The machine may be busy right then.
  const slow = write(
    'slow.mjs',
    `import childProcess from 'node:child_process';
     import { syncBuiltinESMExports } from 'node:module';
     const { spawn } = childProcess;
     childProcess.spawn = (...args) => {
       const child = spawn(...args);
       Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
       return child;
     };
     syncBuiltinESMExports();`,
  );
  const started = start(process.execPath, ['--import', pathToFileURL(slow).href, 'start.mjs']);
  await expect(once(started, 'exit')).resolves.toEqual([130, null]);
  expect(processIdentity(await pidIn('early.pid'))).toBeUndefined();
});

it('a program whose npm was killed while it installed is stopped', async () => {
  const install = `mkdir -p node_modules/node/bin; ln -s '${process.execPath}' node_modules/node/bin/node`;
  pretendNpm(`until [ -e killed ]; do sleep 0.05; done; ${install}`);
  write(
    'program.mjs',
    `import { renameSync, writeFileSync } from 'node:fs';
     writeFileSync('program.new', String(process.pid));
     renameSync('program.new', 'program.pid');
     setInterval(() => undefined, 1000);`,
  );
  const parent = start('/bin/sh', ['-c', `'${process.execPath}' start.mjs & wait`]);
  await pidIn('npm.pid');
  parent.kill('SIGKILL');
  await once(parent, 'exit');
  write('killed', '');
  const program = await pidIn('program.pid');
  await waitFor('the program to be stopped', () => processIdentity(program) === undefined);
});

it('a program that is started without npm knows where the command was typed', async () => {
  pinNode();
  write('program.mjs', 'console.log(process.env.INIT_CWD);');
  const started = start(process.execPath, [join(clone, 'start.mjs')], join(clone, 'tools'));
  const [told] = (await once(started.stdout ?? started, 'data')) as [Buffer];
  expect(told.toString().trim()).toBe(join(clone, 'tools'));
});
