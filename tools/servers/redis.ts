import { mkdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { startProcess } from '../process/managed-process.ts';
import { messageOf, SetupError } from '../setup-error.ts';
import { fetchDebianPackages, INSTALLED_SUITE, type UnpackedPackages } from './debian-package.ts';
import { environmentWith, libraryPathIn } from './library-path.ts';
import { executablesOnPath } from './on-path.ts';
import { runCommand } from './run-command.ts';
import { type RunningServer, waitForAnswer } from './running-server.ts';

export interface RedisBinary {
  readonly path: string;
  readonly version: string;
  /** Where it was found, in words. */
  readonly origin: string;
  /** Where the libraries lie that came with it. */
  readonly libraryPath?: string;
}

const HOST = '127.0.0.1';
/** The server and the libraries it needs that a small system lacks; of the same suite, so that libc fits. */
const PACKAGES = ['redis-server', 'redis-tools', 'libjemalloc2', 'liblzf1', 'libatomic1'] as const;
const START_TIMEOUT_MS = 20_000;

/** A redis-server on PATH, else the distribution's package, unpacked beside the other servers. */
export async function findRedisServer({
  cacheDir,
  env = process.env,
}: {
  readonly cacheDir: string;
  /** @default process.env */
  readonly env?: NodeJS.ProcessEnv;
}): Promise<RedisBinary> {
  const failures: string[] = [];
  for (const path of executablesOnPath('redis-server', env.PATH ?? '')) {
    try {
      return await describe({ path, origin: 'PATH' });
    } catch (error) {
      failures.push(`  ${messageOf(error)}`);
    }
  }
  try {
    return await fromDistribution(cacheDir);
  } catch (error) {
    failures.push(`  package of the distribution: ${messageOf(error)}`);
  }
  throw new SetupError(
    [
      'No redis-server was found and none could be fetched.',
      ...failures,
      'Install one and put it on PATH, or set REDIS_URL to a server that runs already.',
    ].join('\n'),
  );
}

/** Starts a redis-server that keeps everything in memory, reachable from this machine only. */
export async function startRedisServer({
  binary,
  port,
  directory,
}: {
  readonly binary: RedisBinary;
  readonly port: number;
  readonly directory: string;
}): Promise<RunningServer> {
  mkdirSync(directory, { recursive: true });
  const server = await startProcess({
    name: 'redis',
    command: binary.path,
    args: ['--bind', HOST, '--port', String(port), '--save', '', '--appendonly', 'no', '--dir', directory],
    cwd: directory,
    env: environmentWith(binary.libraryPath),
    logFile: join(directory, 'redis.log'),
    stopStage: 3,
  });
  await waitForAnswer(server, () => expectPong(port), { timeoutMs: START_TIMEOUT_MS });
  return { ...server, port, url: `redis://${HOST}:${port}` };
}

async function fromDistribution(cacheDir: string): Promise<RedisBinary> {
  const inPackages = ({ directory, origin }: UnpackedPackages) =>
    describe({
      path: join(directory, 'usr/bin/redis-server'),
      origin,
      libraryPath: libraryPathIn(directory),
    });
  return inPackages(
    await fetchDebianPackages({
      packages: PACKAGES,
      suite: INSTALLED_SUITE,
      cacheDir: join(cacheDir, 'redis'),
      check: inPackages,
    }),
  );
}

async function describe(found: Omit<RedisBinary, 'version'>): Promise<RedisBinary> {
  const options = { timeoutMs: 10_000, env: environmentWith(found.libraryPath) };
  const version = /v=(\d+\.\d+\.\d+)/.exec(await runCommand(found.path, ['--version'], options))?.[1];
  if (!version) throw new Error(`${found.path} --version printed no version`);
  return { ...found, version };
}

function expectPong(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: HOST, timeout: 2_000 });
    const end = (error?: Error) => {
      socket.destroy();
      if (error) reject(error);
      else resolve();
    };
    socket.setEncoding('utf8');
    socket.on('connect', () => socket.write('PING\r\n'));
    socket.on('data', (answer: string) =>
      end(answer.startsWith('+PONG') ? undefined : new Error(`it answered ${answer.trim()} to PING`)),
    );
    socket.on('timeout', () => end(new Error('it accepts connections but does not answer')));
    socket.on('error', end);
    socket.on('close', () => end(new Error('it closed the connection')));
  });
}
