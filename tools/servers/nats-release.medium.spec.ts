import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fetchNatsRelease, type NatsRelease } from './nats-release.ts';

const platform = `${process.platform}-${process.arch}`;
const name = `nats-server-v9.9.9-${platform.replace('x64', 'amd64')}`;
let directory: string;
let server: Server;
let release: NatsRelease;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'slipstream-release-'));
  mkdirSync(join(directory, name));
  writeFileSync(join(directory, name, 'nats-server'), 'the program');
  execFileSync('tar', ['-czf', 'archive.tar.gz', name], { cwd: directory });
  const archive = readFileSync(join(directory, 'archive.tar.gz'));
  server = createServer((request, response) => {
    response.statusCode = request.url === `/v9.9.9/${name}.tar.gz` ? 200 : 404;
    response.end(archive);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const sha256 = createHash('sha256').update(archive).digest('hex');
  release = { version: '9.9.9', baseUrl: `http://127.0.0.1:${port}`, sha256: { [platform]: sha256 } };
});

afterEach(() => {
  server.close();
  rmSync(directory, { recursive: true, force: true });
});

it('a release with the pinned checksum is unpacked into the cache', async () => {
  const binary = await fetchNatsRelease({ cacheDir: join(directory, 'cache') }, release);
  expect(readFileSync(binary, 'utf8')).toBe('the program');
});

it('a download with any other checksum is refused and leaves nothing behind', async () => {
  const tampered = { ...release, sha256: { [platform]: '0'.repeat(64) } };
  await expect(fetchNatsRelease({ cacheDir: join(directory, 'cache') }, tampered)).rejects.toThrow(
    /SHA-256 .* expected 0{64}/,
  );
  expect(readdirSync(directory)).not.toContain('cache');
});

it('a platform without a pinned checksum is not downloaded for', async () => {
  await expect(
    fetchNatsRelease({ cacheDir: join(directory, 'cache') }, { ...release, sha256: {} }),
  ).rejects.toThrow(/no release is pinned/);
});
