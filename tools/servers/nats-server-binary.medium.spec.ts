import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findNatsServer, isAtLeast } from './nats-server-binary.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'slipstream-binary-'));
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

function pretendServer(path: string, version: string): string {
  mkdirSync(join(directory, path), { recursive: true });
  const file = join(directory, path, 'nats-server');
  writeFileSync(file, `#!/bin/sh\necho 'nats-server: v${version}'\n`);
  chmodSync(file, 0o755);
  return file;
}

it('NATS_SERVER_BIN is taken whatever its version', async () => {
  const NATS_SERVER_BIN = pretendServer('own', '2.10.27');
  const found = await findNatsServer({ cacheDir: directory, env: { NATS_SERVER_BIN } });
  expect(found).toEqual({ path: NATS_SERVER_BIN, version: '2.10.27', origin: 'NATS_SERVER_BIN' });
});

it('a NATS_SERVER_BIN without a leading slash is meant from where the command was typed', async () => {
  const path = pretendServer('own', '2.12.1');
  const env = { NATS_SERVER_BIN: 'own/nats-server', INIT_CWD: directory };
  await expect(findNatsServer({ cacheDir: directory, env })).resolves.toMatchObject({ path });
});

it('a NATS_SERVER_BIN that does not run is an error and not passed over', async () => {
  const env = { NATS_SERVER_BIN: join(directory, 'missing'), PATH: join(directory, 'bin') };
  pretendServer('bin', '2.12.1');
  await expect(findNatsServer({ cacheDir: directory, env })).rejects.toThrow(/unset it to have one found/);
});

it('the first recent server on PATH is taken, and an old one before it is passed over', async () => {
  pretendServer('old', '2.10.27');
  const path = pretendServer('recent', '2.12.1');
  const env = { PATH: `${join(directory, 'old')}:${join(directory, 'recent')}` };
  await expect(findNatsServer({ cacheDir: directory, env })).resolves.toMatchObject({ path, origin: 'PATH' });
});

it('a cached copy is taken without asking anybody, unless it is an old one', async () => {
  pretendServer('nats-server/debian-aged/nats-server/usr/sbin', '2.10.27');
  const path = pretendServer('nats-server/debian-new/nats-server/usr/sbin', '2.15.1');
  const found = await findNatsServer({ cacheDir: directory, env: { PATH: join(directory, 'none') } });
  expect(found).toEqual({ path, version: '2.15.1', origin: 'cached copy' });
});

it.each([
  ['2.12.0', true],
  ['2.15.1', true],
  ['3.0.0', true],
  ['2.9.25', false],
  ['2.11.9', false],
])('version %s is at least 2.12: %s', (version, expected) => {
  expect(isAtLeast(version, '2.12')).toBe(expected);
});
