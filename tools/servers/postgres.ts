import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { startProcess } from '../process/managed-process.ts';
import { messageOf, SetupError } from '../setup-error.ts';
import { retireStalePidFile } from './postgres-pid-file.ts';
import { makePrivateDirectory, type PostgresHome, preparePostgresHome } from './postgres-home.ts';
import { runCommand } from './run-command.ts';
import { type RunningServer, waitForAnswer } from './running-server.ts';

export interface PostgresOptions {
  readonly port: number;
  readonly dataDir: string;
  /** Created when it does not exist. */
  readonly database: string;
  readonly logFile: string;
  readonly recordDir?: string;
  /** False gives up safety against a crash of the machine, for data nobody will miss. @default true */
  readonly durable?: boolean;
  /** For `postgres`, over those it gets otherwise. */
  readonly args?: readonly string[];
  /** How long recovery after a crash may take. @default 120_000 */
  readonly startTimeoutMs?: number;
  /** Gives up starting. */
  readonly signal?: AbortSignal;
}

const HOST = '127.0.0.1';
const USER = 'slipstream';
/** How long the processes of a killed server may take to notice and leave. */
const LEFTOVER_TIMEOUT_MS = 15_000;
const LEFTOVER_MESSAGE = /pre-existing shared memory block|lock file .* already exists/;

/** Starts a PostgreSQL of its own, reachable from this machine only and by password. */
export async function startPostgres(options: PostgresOptions): Promise<RunningServer> {
  const home = await preparePostgresHome(options.dataDir);
  const password = readPassword(options.dataDir);
  const cluster = join(home.directory, 'cluster');
  if (!existsSync(cluster)) await createCluster({ home, cluster, password, sync: options.durable !== false });
  await requireSameMajor(home, cluster);
  const server = await launchWhenFree(options, home, password);
  const login = { host: HOST, port: options.port, user: USER, password };
  await createDatabase(login, options.database);
  const url = `postgresql://${USER}:${password}@${HOST}:${options.port}/${options.database}`;
  return { ...server, port: options.port, url };
}

/** The processes of a server killed a moment ago hold its memory until they notice; a new one must wait. */
async function launchWhenFree(options: PostgresOptions, home: PostgresHome, password: string) {
  const deadline = Date.now() + LEFTOVER_TIMEOUT_MS;
  for (;;) {
    try {
      return await launch(options, home, password);
    } catch (error) {
      if (!LEFTOVER_MESSAGE.test(messageOf(error)) || Date.now() > deadline) throw error;
      await delay(100, undefined, { signal: options.signal });
    }
  }
}

async function launch(options: PostgresOptions, home: PostgresHome, password: string) {
  const cluster = join(home.directory, 'cluster');
  retireStalePidFile(cluster);
  const server = await startProcess({
    name: 'postgres',
    command: join(home.binDir, 'postgres'),
    args: ['-D', cluster, ...settings(options), ...(options.args ?? [])],
    cwd: home.directory,
    env: environment(),
    logFile: options.logFile,
    recordDir: options.recordDir,
    user: home.user,
    // Fast shutdown: clients are disconnected, data are written out.
    stopSignal: 'SIGINT',
    stopTimeoutMs: 20_000,
    stopStage: 3,
  });
  const login = { host: HOST, port: options.port, user: USER, password };
  const { startTimeoutMs = 120_000, signal } = options;
  await waitForAnswer(server, () => query(login, 'SELECT 1'), { timeoutMs: startTimeoutMs, signal });
  return server;
}

function settings({ port, durable = true }: PostgresOptions): string[] {
  const values = {
    listen_addresses: HOST,
    port,
    unix_socket_directories: '',
    max_connections: 200,
    shared_buffers: '128MB',
    timezone: 'UTC',
    log_checkpoints: 'off',
    // While a new segment of the log is filled with zeros, which takes 60 ms, nobody can commit.
    wal_init_zero: 'off',
    ...(!durable && { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off' }),
  };
  return Object.entries(values).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

/** Made under another name first: an interrupted initdb is never taken for a cluster. */
async function createCluster(request: {
  home: PostgresHome;
  cluster: string;
  password: string;
  sync: boolean;
}): Promise<void> {
  const { home, cluster } = request;
  const draft = `${cluster}.new`;
  const passwordFile = join(home.directory, `password.${process.pid}`);
  const initdb = (...args: string[]) =>
    runCommand(join(home.binDir, 'initdb'), args, { ...home.user, cwd: home.directory, env: environment() });
  await rm(draft, { recursive: true, force: true });
  makePrivateDirectory(draft, home.user);
  writeFileSync(passwordFile, request.password, { mode: 0o600 });
  if (home.user) chownSync(passwordFile, home.user.uid, home.user.gid);
  try {
    await initdb(
      `--pgdata=${draft}`,
      `--username=${USER}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--no-sync',
      '--no-instructions',
    );
    if (request.sync) await initdb(`--pgdata=${draft}`, '--sync-only');
    await rename(draft, cluster);
  } finally {
    rmSync(passwordFile, { force: true });
  }
}

async function requireSameMajor(home: PostgresHome, cluster: string): Promise<void> {
  const data = readFileSync(join(cluster, 'PG_VERSION'), 'utf8').trim();
  const version = await runCommand(join(home.binDir, 'postgres'), ['--version'], { ...home.user, cwd: '/' });
  if (version.includes(` ${data}.`)) return;
  throw new SetupError(
    `The data are those of PostgreSQL ${data}, which ${version.trim()} cannot read.\n` +
      'Start afresh with: npm start -- --reset',
  );
}

interface Login {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
}

async function query(login: Login, sql: string, values: unknown[] = []): Promise<pg.QueryResult> {
  const client = new pg.Client({
    ...login,
    database: 'postgres',
    ssl: false,
    connectionTimeoutMillis: 5_000,
  });
  // A server that stops while it is asked ends the connection with an event nobody else listens to.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await client.query(sql, values);
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function createDatabase(login: Login, name: string): Promise<void> {
  const { rowCount } = await query(login, 'SELECT 1 FROM pg_database WHERE datname = $1', [name]);
  if (rowCount === 0) await query(login, `CREATE DATABASE ${pg.escapeIdentifier(name)}`);
}

function readPassword(dataDir: string): string {
  const file = join(dataDir, 'password');
  if (!existsSync(file)) writeFileSync(file, randomBytes(16).toString('hex'), { mode: 0o600 });
  return readFileSync(file, 'utf8');
}

/** Nothing of the caller's PG… and locale settings: they would change what is set here. */
function environment(): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, LC_ALL: 'C' };
}
