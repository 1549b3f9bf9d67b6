import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CACHE_DIR } from '../paths.ts';
import { claimFreePorts } from '../process/free-ports.ts';
import { findRedisServer, startRedisServer } from './redis.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'slipstream-redis-'));
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

it('a redis-server on PATH is taken before one is fetched', async () => {
  const path = join(directory, 'bin', 'redis-server');
  mkdirSync(join(directory, 'bin'));
  writeFileSync(
    path,
    `#!/bin/sh\necho 'Redis server v=8.2.1 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64'\n`,
  );
  chmodSync(path, 0o755);
  const found = await findRedisServer({ cacheDir: directory, env: { PATH: join(directory, 'bin') } });
  expect(found).toEqual({ path, version: '8.2.1', origin: 'PATH' });
});

// The run has found out whether there is a Redis here.
const describeRedis = process.env.REDIS_URL ? describe : describe.skip;

describeRedis('a redis-server that was found', () => {
  it('answers, keeps what it is told, and is gone after it was stopped', async () => {
    const binary = await findRedisServer({ cacheDir: CACHE_DIR });
    const [claimed] = await claimFreePorts(1);
    const server = await startRedisServer({ binary, port: claimed?.port ?? 0, directory });
    const client = new Redis(server.url);
    await client.set('key', 'value');
    expect(await client.get('key')).toBe('value');
    client.disconnect();
    await expect(server.stop()).resolves.toEqual({ code: 0, signal: null });
    expect(() => process.kill(server.pid, 0)).toThrow('ESRCH');
    claimed?.release();
  });
});
