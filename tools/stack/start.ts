import { join, relative } from 'node:path';
import { CACHE_DIR, DATA_DIR } from '../paths.ts';
import { credentialEnvironment } from '../nats-security/credentials.ts';
import { stopLeftovers } from '../process/process-record.ts';
import { findNatsServer } from '../servers/nats-server-binary.ts';
import { APPS, SERVER_PORTS, serviceUrlVariables, type StackPorts } from './apps.ts';
import { buildApps } from './build.ts';
import type { StackEvent } from './events.ts';
import type { StartOptions } from './options.ts';
import { type ChosenPorts, choosePorts } from './ports.ts';
import { describeEvent, formatTable, type Reporter, withoutPassword } from './reporter.ts';
import { credentialsDir } from './stack-security.ts';
import { type Stack, startStack } from './stack.ts';
import { removeStackData } from './stack-data.ts';
import { stackPaths } from './units.ts';

const SECURE_DATA_DIR = join(DATA_DIR, 'secure');

export interface Started {
  readonly stack: Stack;
  readonly ports: ChosenPorts;
}

/** Everything `npm start` does until the stack is ready. The caller holds the lock on the data directory. */
export async function start(
  options: StartOptions,
  reporter: Reporter,
  signal: AbortSignal,
): Promise<Started> {
  const dataDir = dataDirOf(options);
  await prepareData(options, dataDir, reporter);
  const chosen = await choosePorts(usualPorts(options), options.portOffset);
  try {
    if (chosen.moved.length > 0) {
      const moved = chosen.moved.map((name) => `${name} ${chosen.ports[name]}`).join(', ');
      reporter.line(`  ! usual ports are taken, using others: ${moved}`);
    }
    const nats = await provideNats(options, reporter, signal);
    signal.throwIfAborted();
    await build(options, reporter, signal);
    const stack = await startStack({
      dataDir,
      ports: chosen.ports,
      nats,
      databaseUrl: options.databaseUrl,
      redisUrl: options.redisUrl,
      rate: options.rate,
      signal,
      step: reporter.step,
      onEvent: tellRestarts(reporter, signal),
    });
    reporter.line(`\n${summary(stack, options, chosen.ports)}\n`);
    for (const line of reachedBy(stack, options, chosen.ports)) reporter.line(line);
    return { stack, ports: chosen };
  } catch (error) {
    chosen.release();
    throw error;
  }
}

/** Streams of the secure stack are in another account, so what refers to them must not be mixed with that of the other. */
export function dataDirOf({ secure }: Pick<StartOptions, 'secure'>): string {
  return secure ? SECURE_DATA_DIR : DATA_DIR;
}

async function prepareData(options: StartOptions, dataDir: string, reporter: Reporter): Promise<void> {
  for (const directory of [DATA_DIR, SECURE_DATA_DIR]) {
    for (const { name, pid } of await stopLeftovers(stackPaths(directory).recordDir)) {
      reporter.line(`  ! stopped ${name}, left running by an earlier start (pid ${pid})`);
    }
  }
  if (!options.reset) return;
  removeStackData(dataDir);
  const foreign = [options.natsUrl && 'NATS_URL', options.databaseUrl && 'DATABASE_URL'].filter(Boolean);
  const untouched = foreign.length > 0 ? `; what lies behind ${foreign.join(' and ')} is left as it is` : '';
  reporter.line(`  ✓ data removed${untouched}`);
}

function usualPorts({ natsUrl, databaseUrl }: StartOptions): StackPorts {
  const { nats, 'nats-monitor': monitor, postgres } = SERVER_PORTS;
  return {
    ...Object.fromEntries(APPS.map(({ name, port }) => [name, port])),
    ...(!natsUrl && { nats, 'nats-monitor': monitor }),
    ...(!databaseUrl && { postgres }),
  };
}

async function provideNats({ natsUrl, secure }: StartOptions, reporter: Reporter, signal: AbortSignal) {
  if (natsUrl) return { url: natsUrl };
  const binary = await reporter.step(
    'find nats-server',
    () => findNatsServer({ cacheDir: CACHE_DIR, signal }),
    ({ version, origin }) => `${version}, ${origin}`,
  );
  return { binary: binary.path, secure };
}

async function build({ secure }: StartOptions, reporter: Reporter, signal: AbortSignal): Promise<void> {
  const names = [...APPS.map(({ name }) => name), ...(secure ? ['cli'] : [])];
  await reporter.step(
    'build the apps',
    () => buildApps(names, signal),
    (built) =>
      built.length === 0 ? 'nothing has changed' : built.length === names.length ? '' : built.join(', '),
  );
}

function tellRestarts(reporter: Reporter, signal: AbortSignal): (event: StackEvent) => void {
  const failed = new Set<string>();
  return (event) => {
    if (signal.aborted) return;
    const text = describeEvent(event, failed.has(event.name));
    if (event.kind === 'failed') failed.add(event.name);
    if (text) reporter.line(text);
  };
}

/** What the command line must be told of a stack that is not where it looks by itself. */
function reachedBy(stack: Stack, options: StartOptions, ports: StackPorts): string[] {
  const usual = usualPorts(options);
  const isUsual = Object.keys(usual).every((name) => usual[name] === ports[name]);
  if (isUsual && !options.secure) return [];
  const variables = {
    ...serviceUrlVariables(stack.urls),
    // Where the user's own servers are, the user knows; their URLs may hold what lets one in.
    ...(!options.natsUrl && {
      NATS_URL: stack.natsUrl,
      NATS_MONITOR_URL: `http://127.0.0.1:${ports['nats-monitor']}`,
    }),
    ...(!options.databaseUrl && { DATABASE_URL: stack.databaseUrl }),
    ...(options.secure && credentialEnvironment(credentialsDir(dataDirOf(options)), 'operator')),
  };
  const assignments = Object.entries(variables).map(([name, value]) => `  ${name}=${value}`);
  return ['For the command line:', `export \\\n${assignments.join(' \\\n')}`, ''];
}

function summary(stack: Stack, options: StartOptions, ports: StackPorts): string {
  const monitor = ports['nats-monitor'];
  const apps = APPS.map(({ name, hasDocs }) => {
    const url = stack.urls[name] ?? '';
    return hasDocs ? [name, url, `API: ${url}/docs`] : [name, url];
  });
  const { logDir, dataDir } = stackPaths(dataDirOf(options));
  const logs = join(relative(process.cwd(), logDir), '<name>.log');
  return formatTable([
    ...apps,
    ['NATS', withoutPassword(stack.natsUrl), monitor ? `monitor: http://127.0.0.1:${monitor}` : 'NATS_URL'],
    ['PostgreSQL', options.databaseUrl ? withoutPassword(stack.databaseUrl) : stack.databaseUrl],
    ['logs', logs],
    ...(options.secure ? [['credentials', relative(process.cwd(), credentialsDir(dataDir))]] : []),
  ]);
}
