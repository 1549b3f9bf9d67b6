import { chmodSync, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ClaimedPort, claimFreePorts } from '../process/free-ports.ts';
import { guard } from '../process/guard.ts';
import { findNatsServer, natsServerFromDistribution } from '../servers/nats-server-binary.ts';
import { startNatsServer } from '../servers/nats.ts';
import { removePostgresHome } from '../servers/postgres-home.ts';
import { startPostgres } from '../servers/postgres.ts';
import { findPrometheus } from '../servers/prometheus.ts';
import { findRedisServer, startRedisServer } from '../servers/redis.ts';
import type { RunningServer } from '../servers/running-server.ts';
import { CACHE_DIR } from '../paths.ts';
import { messageOf } from '../setup-error.ts';

/** Suite of the distribution whose nats-server is a 2.10. */
const LEGACY_SUITE = 'trixie';

interface TestServers {
  readonly directory: string;
  readonly running: RunningServer[];
  readonly ports: ClaimedPort[];
}

let servers: TestServers | undefined;

/**
 * Starts one NATS, one PostgreSQL and one Redis for all test files, and names them in the environment that those inherit.
 * Servers that the environment names already are used as they are. Only `durable` ones outlive a power cut, which no test
 * needs and every benchmark pays for; a second NATS then has every message on disk before it acknowledges it.
 */
export async function startServers({ durable = false } = {}): Promise<void> {
  process.env.NATS_SERVER_BIN ||= (await findNatsServer({ cacheDir: CACHE_DIR })).path;
  process.env.NATS_LEGACY_SERVER_BIN ||= await findLegacyServer();
  const started = await createTestServers();
  servers = started;
  try {
    const urls = await Promise.all([
      process.env.NATS_URL || startTestNats(started, process.env.NATS_SERVER_BIN),
      process.env.DATABASE_URL || startTestPostgres(started, durable),
      process.env.REDIS_URL || startTestRedis(started),
    ]);
    [process.env.NATS_URL, process.env.DATABASE_URL, process.env.REDIS_URL] = urls;
    if (durable) process.env.NATS_SYNC_URL ||= await startSyncNats(started, process.env.NATS_SERVER_BIN);
  } catch (error) {
    await stopServers();
    throw error;
  }
}

/** Names a Prometheus in the environment of the tests; without one its tests are skipped, which CI does not put up with. */
export async function findTestPrometheus(): Promise<void> {
  try {
    process.env.PROMETHEUS_BIN ||= (await findPrometheus({ cacheDir: CACHE_DIR })).server;
  } catch (error) {
    if (process.env.CI) throw error;
    process.stderr.write(`tests of metrics in Prometheus are skipped: ${messageOf(error)}\n`);
  }
}

export async function stopServers(): Promise<void> {
  if (!servers) return;
  const { directory, running, ports } = servers;
  servers = undefined;
  await Promise.all(running.map((server) => server.stop()));
  removePostgresHome(join(directory, 'postgres'));
  await rm(directory, { recursive: true, force: true });
  guard.keep(directory);
  for (const port of ports) port.release();
}

/** A nats-server 2.10 for the tests of what must work without newer features; they are skipped where there is none. */
async function findLegacyServer(): Promise<string> {
  const request = { cacheDir: join(CACHE_DIR, 'nats-server'), suite: LEGACY_SUITE };
  return natsServerFromDistribution(request).then(
    ({ path }) => path,
    () => '',
  );
}

async function createTestServers(): Promise<TestServers> {
  const directory = mkdtempSync(join(tmpdir(), 'slipstream-test-'));
  guard.removeAtExit(directory);
  // PostgreSQL may have to run as another user, who must be able to enter.
  chmodSync(directory, 0o755);
  return { directory, running: [], ports: await claimFreePorts(4) };
}

async function startTestNats({ directory, running, ports }: TestServers, binary: string): Promise<string> {
  const server = await startNatsServer({
    binary,
    port: portAt(ports, 0),
    storeDir: join(directory, 'jetstream'),
    logFile: join(directory, 'nats.log'),
  });
  running.push(server);
  return server.url;
}

/** Has every message on disk before it acknowledges it. */
async function startSyncNats({ directory, running, ports }: TestServers, binary: string): Promise<string> {
  const server = await startNatsServer({
    binary,
    port: portAt(ports, 3),
    storeDir: join(directory, 'jetstream-sync'),
    logFile: join(directory, 'nats-sync.log'),
    config: { jetstream: { sync_interval: 'always' } },
  });
  running.push(server);
  return server.url;
}

async function startTestPostgres(
  { directory, running, ports }: TestServers,
  durable: boolean,
): Promise<string> {
  const server = await startPostgres({
    port: portAt(ports, 1),
    dataDir: join(directory, 'postgres'),
    database: 'slipstream',
    logFile: join(directory, 'postgres.log'),
    durable,
  });
  running.push(server);
  return server.url;
}

/** Empty when there is no Redis: its tests are skipped then, which CI does not put up with. */
async function startTestRedis({ directory, running, ports }: TestServers): Promise<string> {
  try {
    const binary = await findRedisServer({ cacheDir: CACHE_DIR });
    const server = await startRedisServer({
      binary,
      port: portAt(ports, 2),
      directory: join(directory, 'redis'),
    });
    running.push(server);
    return server.url;
  } catch (error) {
    if (process.env.CI) throw error;
    process.stderr.write(`tests of the Redis repository are skipped: ${messageOf(error)}\n`);
    return '';
  }
}

function portAt(ports: readonly ClaimedPort[], index: number): number {
  const claimed = ports[index];
  if (!claimed) throw new Error(`no port was claimed for server ${index}`);
  return claimed.port;
}
