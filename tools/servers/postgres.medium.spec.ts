import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { type ClaimedPort, claimFreePorts } from '../process/free-ports.ts';
import { removePostgresHome } from './postgres-home.ts';
import { startPostgres } from './postgres.ts';
import type { RunningServer } from './running-server.ts';

let directory: string;
let dataDir: string;
let claimed: ClaimedPort[];
let running: RunningServer | undefined;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'slipstream-postgres-'));
  chmodSync(directory, 0o755);
  dataDir = join(directory, 'postgres');
  claimed = await claimFreePorts(1);
});

afterEach(async () => {
  await running?.stop();
  for (const port of claimed) port.release();
  removePostgresHome(dataDir);
  rmSync(directory, { recursive: true, force: true });
});

async function start(): Promise<RunningServer> {
  const logFile = join(directory, 'postgres.log');
  const port = claimed[0]?.port ?? 0;
  running = await startPostgres({ port, dataDir, database: 'kept', logFile });
  return running;
}

async function query(server: RunningServer, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: server.url });
  client.on('error', () => undefined);
  await client.connect();
  const { rows } = await client.query<Record<string, unknown>>(sql);
  await client.end();
  return rows;
}

async function killAndWait(server: RunningServer): Promise<void> {
  server.kill('SIGKILL');
  await server.exited;
}

it('what was committed is there after the server was killed and started again', async () => {
  const first = await start();
  await query(first, 'CREATE TABLE orders (id int); INSERT INTO orders VALUES (1)');
  await killAndWait(first);
  const second = await start();
  await expect(query(second, 'SELECT id FROM orders')).resolves.toEqual([{ id: 1 }]);
});

it('the pid file of a killed server does not stand in the way when its pid is another program by now', async () => {
  await killAndWait(await start());
  const stranger: ChildProcess = spawn('sleep', ['60']);
  try {
    const pidFile = join(dataDir, 'cluster', 'postmaster.pid');
    writeFileSync(pidFile, readFileSync(pidFile, 'utf8').replace(/^\d+/, String(stranger.pid)));
    await expect(start()).resolves.toMatchObject({ port: claimed[0]?.port });
  } finally {
    stranger.kill('SIGKILL');
  }
});

it('data lie where the user that PostgreSQL runs as may enter', async () => {
  chmodSync(directory, 0o700);
  const server = await start();
  await expect(query(server, 'SELECT 1 AS one')).resolves.toEqual([{ one: 1 }]);
});

it('nobody gets in without the password', async () => {
  const { url } = await start();
  const client = new pg.Client({ connectionString: url.replace(/:[0-9a-f]{32}@/, ':guess@') });
  await expect(client.connect()).rejects.toThrow(/password authentication failed/);
});
