import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { messageOf, SetupError } from '../setup-error.ts';
import { fetchDebianPackages, type UnpackedPackages } from './debian-package.ts';
import { fetchNatsRelease } from './nats-release.ts';
import { executablesOnPath, isExecutable } from './on-path.ts';
import { runCommand } from './run-command.ts';

export interface NatsServerBinary {
  readonly path: string;
  readonly version: string;
  /** Where it was found, in words. */
  readonly origin: string;
}

export interface NatsServerLookup {
  /** Holds what was fetched, for the next time. */
  readonly cacheDir: string;
  /** @default process.env */
  readonly env?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
}

type Step = readonly [name: string, find: () => Promise<NatsServerBinary>];

const OLDEST_VERSION = '2.12';
const IN_PACKAGE = 'usr/sbin/nats-server';

/** Finds a nats-server, or fetches one: the first that works of five places, in a fixed order. */
export async function findNatsServer({
  cacheDir,
  env = process.env,
  signal,
}: NatsServerLookup): Promise<NatsServerBinary> {
  if (env.NATS_SERVER_BIN) return describeGiven(absolute(env.NATS_SERVER_BIN, env));
  const natsCache = join(cacheDir, 'nats-server');
  const steps: readonly Step[] = [
    ['nats-server on PATH', () => firstRecent(onPath(env), 'PATH')],
    ['cached copy', () => firstRecent(cached(natsCache), 'cached copy')],
    [
      'official release',
      async () => describe(await fetchNatsRelease({ cacheDir: natsCache, signal }), 'official release'),
    ],
    ['package of the distribution', () => natsServerFromDistribution({ cacheDir: natsCache, signal })],
  ];
  const failures: string[] = [];
  for (const [name, find] of steps) {
    try {
      return requireRecent(await find());
    } catch (error) {
      signal?.throwIfAborted();
      failures.push(`  ${name}: ${messageOf(error)}`);
    }
  }
  throw new SetupError(
    [
      'No nats-server was found and none could be fetched.',
      ...failures,
      `Install nats-server ${OLDEST_VERSION} or newer and put it on PATH, set NATS_SERVER_BIN to its path,`,
      'or set NATS_URL to a server that runs already.',
    ].join('\n'),
  );
}

/** The distribution's package from one of its suites; an older suite gives an older server. */
export async function natsServerFromDistribution(request: {
  readonly cacheDir: string;
  /** @default the suite with the newest packages */
  readonly suite?: string;
  readonly signal?: AbortSignal;
}): Promise<NatsServerBinary> {
  const inPackage = ({ directory, origin }: UnpackedPackages) =>
    describe(join(directory, IN_PACKAGE), origin);
  return inPackage(await fetchDebianPackages({ packages: ['nats-server'], check: inPackage, ...request }));
}

async function describeGiven(path: string): Promise<NatsServerBinary> {
  try {
    return await describe(path, 'NATS_SERVER_BIN');
  } catch (error) {
    throw new SetupError(
      `NATS_SERVER_BIN is set to ${path}, which does not work: ${messageOf(error)}\n` +
        'Set it to the path of a nats-server binary, or unset it to have one found.',
    );
  }
}

async function describe(path: string, origin: string): Promise<NatsServerBinary> {
  const output = await runCommand(path, ['--version'], { timeoutMs: 10_000 });
  const version = /v?(\d+\.\d+\.\d+\S*)/.exec(output)?.[1];
  if (!version) throw new Error(`${path} --version printed no version`);
  return { path, version, origin };
}

async function firstRecent(paths: readonly string[], origin: string): Promise<NatsServerBinary> {
  const failures: string[] = [];
  for (const path of paths) {
    try {
      return requireRecent(await describe(path, origin));
    } catch (error) {
      failures.push(messageOf(error));
    }
  }
  throw new Error(failures.join('; ') || 'there is none');
}

function requireRecent(binary: NatsServerBinary): NatsServerBinary {
  if (isAtLeast(binary.version, OLDEST_VERSION)) return binary;
  throw new Error(`${binary.path} is version ${binary.version}, older than ${OLDEST_VERSION}`);
}

export function isAtLeast(version: string, oldest: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = oldest.split('.').map(Number);
  return major > oldestMajor || (major === oldestMajor && minor >= oldestMinor);
}

/** Distributions install the server where only root has its PATH. */
function onPath(env: NodeJS.ProcessEnv): string[] {
  const found = executablesOnPath('nats-server', env.PATH ?? '', ['/usr/local/sbin', '/usr/sbin']);
  return found.map((path) => absolute(path, env));
}

/** The server runs in another directory than this one; a path is meant from where the command was typed. */
function absolute(program: string, { INIT_CWD = '.' }: NodeJS.ProcessEnv): string {
  return program.includes('/') ? resolve(INIT_CWD, program) : program;
}

function cached(natsCache: string): string[] {
  const places = [join(natsCache, 'release', 'nats-server')];
  try {
    const suites = readdirSync(natsCache).toSorted();
    places.push(...suites.map((suite) => join(natsCache, suite, 'nats-server', IN_PACKAGE)));
  } catch {
    // Nothing has been cached yet.
  }
  return places.filter(isExecutable);
}
