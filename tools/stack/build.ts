import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { DATA_DIR, ROOT_DIR } from '../paths.ts';
import { waitForLock } from '../process/lock.mjs';
import { runCommand } from '../servers/run-command.ts';
import { messageOf, SetupError } from '../setup-error.ts';
import { entryFileOf } from './units.ts';

/** What every app is built from, beside its own sources. */
const SHARED_SOURCES = [
  'libs',
  'tsconfig.json',
  'nest-cli.json',
  'package-lock.json',
  'tools/stack/compile.ts',
];
const NOT_BUILT = /\.spec\.ts$|(^|\/)node_modules(\/|$)/;

/** Builds the apps whose sources have changed since they were last built; returns their names. */
export async function buildApps(names: readonly string[], signal?: AbortSignal): Promise<string[]> {
  const release = await waitForLock(join(DATA_DIR, 'locks', 'build'));
  try {
    const shared = fingerprint(SHARED_SOURCES);
    const fingerprints = new Map(names.map((name) => [name, `${shared} ${fingerprint(sourcesOf(name))}`]));
    const stale = names.filter((name) => readStamp(name) !== fingerprints.get(name));
    if (stale.length > 0) await compile(stale, signal);
    for (const name of stale) writeStamp(name, fingerprints.get(name) ?? '');
    return stale;
  } finally {
    release();
  }
}

/** What operators use is built from what all apps declare. */
function sourcesOf(name: string): string[] {
  return [name === 'cli' || name === 'console' ? 'apps' : join('apps', name)];
}

async function compile(names: readonly string[], signal: AbortSignal | undefined): Promise<void> {
  const script = join(ROOT_DIR, 'tools', 'stack', 'compile.ts');
  const vite = join(ROOT_DIR, 'node_modules', 'vite', 'bin', 'vite.js');
  // Pages that are built for development are larger and slower, and nothing would show it.
  const env = { ...process.env, NO_COLOR: '1', NODE_ENV: 'production' };
  const options = { cwd: ROOT_DIR, env, signal, timeoutMs: 600_000 };
  try {
    await runCommand(process.execPath, [script, ...names], options);
    for (const config of names.map(pagesConfigOf).filter((file) => existsSync(file))) {
      await runCommand(process.execPath, [vite, 'build', '--config', config, '--logLevel', 'warn'], options);
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw new SetupError(`The build failed.\n${messageOf(error)}`);
  }
}

/** How the pages of an app are built, where it has some. */
function pagesConfigOf(name: string): string {
  return join(ROOT_DIR, 'apps', name, 'vite.config.ts');
}

function hasOutput(name: string): boolean {
  const pages = join(ROOT_DIR, 'dist', 'web', name, 'index.html');
  return existsSync(entryFileOf(name)) && (!existsSync(pagesConfigOf(name)) || existsSync(pages));
}

function fingerprint(paths: readonly string[]): string {
  const hash = createHash('sha256');
  for (const file of paths.flatMap((path) => listFiles(join(ROOT_DIR, path)))) {
    hash
      .update(`${relative(ROOT_DIR, file)}\0`)
      .update(readFileSync(file))
      .update('\0');
  }
  return hash.digest('hex');
}

function listFiles(path: string): string[] {
  if (NOT_BUILT.test(path)) return [];
  const entries = readDirectory(path);
  if (!entries) return existsSync(path) ? [path] : [];
  return entries.toSorted().flatMap((entry) => listFiles(join(path, entry)));
}

function readDirectory(path: string): string[] | undefined {
  try {
    return readdirSync(path);
  } catch {
    return undefined;
  }
}

/** Beside the output: whoever removes or replaces that by hand removes the stamp with it. */
function stampFile(name: string): string {
  return join(ROOT_DIR, 'dist', 'apps', name, '.built-from');
}

function readStamp(name: string): string | undefined {
  if (!hasOutput(name) || !existsSync(stampFile(name))) return undefined;
  return readFileSync(stampFile(name), 'utf8');
}

function writeStamp(name: string, fingerprintOfSources: string): void {
  mkdirSync(join(ROOT_DIR, 'dist', 'apps', name), { recursive: true });
  writeFileSync(stampFile(name), fingerprintOfSources);
}
