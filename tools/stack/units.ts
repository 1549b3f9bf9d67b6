import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type ManagedProcess, startProcess } from '../process/managed-process.ts';
import { ROOT_DIR } from '../paths.ts';
import { type NatsServerOptions, startNatsServer } from '../servers/nats.ts';
import { startPostgres } from '../servers/postgres.ts';
import { waitForAnswer } from '../servers/running-server.ts';
import { SetupError } from '../setup-error.ts';
import type { AppSpec } from './apps.ts';
import type { Unit } from './supervised.ts';

/** Where a stack keeps what it writes. */
export interface StackPaths {
  readonly dataDir: string;
  readonly logDir: string;
  readonly recordDir: string;
}

const HOST = '127.0.0.1';
const SERVER_STAGE = 3;

export function stackPaths(dataDir: string): StackPaths {
  return { dataDir, logDir: join(dataDir, 'logs'), recordDir: join(dataDir, 'run') };
}

export function logFileOf({ logDir }: StackPaths, name: string): string {
  return join(logDir, `${name}.log`);
}

export function entryFileOf(app: string): string {
  return join(ROOT_DIR, 'dist', 'apps', app, 'apps', app, 'src', 'main.js');
}

export function natsUnit(
  paths: StackPaths,
  server: Pick<NatsServerOptions, 'binary' | 'port' | 'monitorPort' | 'include'>,
): Unit {
  return {
    name: 'nats',
    stopStage: SERVER_STAGE,
    launch: (signal) =>
      startNatsServer({
        ...server,
        storeDir: natsStoreDir(paths),
        logFile: logFileOf(paths, 'nats'),
        recordDir: paths.recordDir,
        signal,
      }),
    // It answered before the launch was over.
    waitUntilReady: () => Promise.resolve(),
  };
}

export function natsStoreDir({ dataDir }: StackPaths): string {
  return join(dataDir, 'nats', 'jetstream');
}

export function postgresUnit(paths: StackPaths, server: { port: number; durable: boolean }) {
  const state = { url: '' };
  const unit: Unit = {
    name: 'postgres',
    stopStage: SERVER_STAGE,
    launch: async (signal) => {
      const running = await startPostgres({
        ...server,
        dataDir: postgresDir(paths),
        database: 'slipstream',
        logFile: logFileOf(paths, 'postgres'),
        recordDir: paths.recordDir,
        signal,
      });
      state.url = running.url;
      return running;
    },
    waitUntilReady: () => Promise.resolve(),
  };
  return { unit, url: () => state.url };
}

export function postgresDir({ dataDir }: StackPaths): string {
  return join(dataDir, 'postgres');
}

export function appUnit(
  paths: StackPaths,
  { name, stopStage }: AppSpec,
  { port, env }: { port: number; env: NodeJS.ProcessEnv },
): Unit {
  return {
    name,
    stopStage,
    launch: () => launchApp(paths, { name, stopStage, env: { ...env, PORT: String(port) } }),
    waitUntilReady: (process, signal) =>
      waitForAnswer(process, () => requireReady(port), { intervalMs: 100, signal }),
  };
}

async function launchApp(
  paths: StackPaths,
  { name, stopStage, env }: { name: string; stopStage: number; env: NodeJS.ProcessEnv },
): Promise<ManagedProcess> {
  const entry = entryFileOf(name);
  if (!existsSync(entry)) throw new SetupError(`${name} is not built: ${entry} is missing`);
  if (env.GATEWAY_DATA_FILE) mkdirSync(dirname(env.GATEWAY_DATA_FILE), { recursive: true });
  return startProcess({
    name,
    command: process.execPath,
    args: ['--enable-source-maps', entry],
    cwd: ROOT_DIR,
    env,
    logFile: logFileOf(paths, name),
    recordDir: paths.recordDir,
    stopTimeoutMs: 30_000,
    stopStage,
  });
}

async function requireReady(port: number): Promise<void> {
  const response = await fetch(`http://${HOST}:${port}/health/ready`, { signal: AbortSignal.timeout(3_000) });
  await response.body?.cancel();
  if (response.status !== 200) throw new Error(`/health/ready answers ${response.status}`);
}
