import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hostsOf } from './certificates.ts';
import { ensureCredentials } from './credentials.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'slipstream-credentials-'));
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

const certificate = () => join(directory, 'server', 'tls.crt');

it('the certificate of the servers is for this machine unless other names are given', async () => {
  await ensureCredentials({ directory, roles: ['ada'] });
  expect(hostsOf(certificate())).toEqual(['localhost', '127.0.0.1']);
});

it('the certificate of the servers keeps its names when none are given again, as by a rotation', async () => {
  await ensureCredentials({ directory, roles: ['ada'], hosts: ['nats-1.example', '10.0.0.7'] });
  const before = readFileSync(certificate(), 'utf8');
  await ensureCredentials({ directory, roles: ['ada'] });
  expect(readFileSync(certificate(), 'utf8')).toBe(before);
  await ensureCredentials({ directory, roles: ['ada'], hosts: ['nats-2.example'] });
  expect(hostsOf(certificate())).toEqual(['nats-2.example']);
});
