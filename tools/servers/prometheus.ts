import { dirname, join } from 'node:path';
import { startProcess } from '../process/managed-process.ts';
import { messageOf, SetupError } from '../setup-error.ts';
import { fetchDebianPackages, INSTALLED_SUITE, type UnpackedPackages } from './debian-package.ts';
import { executablesOnPath, isExecutable } from './on-path.ts';
import { runCommand } from './run-command.ts';
import { type RunningServer, waitForAnswer } from './running-server.ts';

/** Prometheus, and the tool that checks its configuration. */
export interface PrometheusBinaries {
  readonly server: string;
  readonly promtool: string;
  readonly version: string;
  /** Where they were found, in words. */
  readonly origin: string;
}

const HOST = '127.0.0.1';
const START_TIMEOUT_MS = 60_000;

/** Those on PATH, else the distribution's package, unpacked beside the other servers. */
export async function findPrometheus({
  cacheDir,
  env = process.env,
}: {
  readonly cacheDir: string;
  /** @default process.env */
  readonly env?: NodeJS.ProcessEnv;
}): Promise<PrometheusBinaries> {
  const failures: string[] = [];
  for (const server of executablesOnPath('prometheus', env.PATH ?? '')) {
    try {
      return await describe(server, 'PATH');
    } catch (error) {
      failures.push(`  ${messageOf(error)}`);
    }
  }
  try {
    const inPackage = ({ directory, origin }: UnpackedPackages) =>
      describe(join(directory, 'usr/bin/prometheus'), origin);
    const unpacked = await fetchDebianPackages({
      packages: ['prometheus'],
      suite: INSTALLED_SUITE,
      cacheDir: join(cacheDir, 'prometheus'),
      check: inPackage,
    });
    return await inPackage(unpacked);
  } catch (error) {
    failures.push(`  package of the distribution: ${messageOf(error)}`);
  }
  throw new SetupError(
    [
      'No Prometheus was found and none could be fetched.',
      ...failures,
      'Install one and put it on PATH.',
    ].join('\n'),
  );
}

/** Starts a Prometheus on a configuration file, reachable from this machine only. */
export async function startPrometheus({
  server,
  configFile,
  port,
  directory,
}: {
  readonly server: string;
  readonly configFile: string;
  readonly port: number;
  /** Holds its data and its log. */
  readonly directory: string;
}): Promise<RunningServer> {
  const running = await startProcess({
    name: 'prometheus',
    command: server,
    args: [
      `--config.file=${configFile}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      `--web.listen-address=${HOST}:${port}`,
      '--enable-feature=exemplar-storage',
      '--log.level=warn',
    ],
    cwd: directory,
    env: process.env,
    logFile: join(directory, 'prometheus.log'),
    stopStage: 0,
  });
  const url = `http://${HOST}:${port}`;
  await waitForAnswer(running, () => expectReady(url), { timeoutMs: START_TIMEOUT_MS });
  return { ...running, port, url };
}

async function describe(server: string, origin: string): Promise<PrometheusBinaries> {
  const promtool = join(dirname(server), 'promtool');
  if (!isExecutable(promtool)) throw new Error(`there is no promtool beside ${server}`);
  const output = await runCommand(server, ['--version'], { timeoutMs: 10_000 });
  const version = /version (\d+\.\d+\.\d+)/.exec(output)?.[1];
  if (!version) throw new Error(`${server} --version printed no version`);
  return { server, promtool, version, origin };
}

async function expectReady(url: string): Promise<void> {
  const response = await fetch(`${url}/-/ready`, { signal: AbortSignal.timeout(2_000) });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`/-/ready answers ${response.status}`);
}
