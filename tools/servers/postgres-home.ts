import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { readdirSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SystemUser } from '../process/managed-process.ts';
import { SetupError } from '../setup-error.ts';
import { copyPostgres, installedPostgres } from './postgres-binaries.ts';

/** Where a PostgreSQL runs from, and as whom. */
export interface PostgresHome {
  /** Holds the cluster's files; the user may traverse it. */
  readonly directory: string;
  /** Holds `initdb` and `postgres`; the user may execute them. */
  readonly binDir: string;
  /** Undefined: the one who runs this process. */
  readonly user: SystemUser | undefined;
}

const PREFIX = 'slipstream-';
const REDIRECT = 'elsewhere';
const OWNER = 'owner';

export async function preparePostgresHome(dataDir: string): Promise<PostgresHome> {
  mkdirSync(dataDir, { recursive: true });
  const user = unprivilegedUser();
  const directory = user && !canEnter(dataDir, user) ? relocate(dataDir, user) : dataDir;
  const installed = await installedPostgres();
  const readable = canRun(join(installed, 'bin', 'postgres'), user);
  const native = readable ? installed : await copyPostgres(installed, join(directory, 'postgresql'));
  return { directory, binDir: join(native, 'bin'), user };
}

/** The directory that belongs to the user alone and holds the cluster. */
export function makePrivateDirectory(path: string, user: SystemUser | undefined): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  if (user) chownSync(path, user.uid, user.gid);
}

/** Removes the cluster and, if it had to lie elsewhere, that directory. */
export function removePostgresHome(dataDir: string): void {
  const elsewhere = readRedirect(dataDir);
  if (elsewhere && isOurs(elsewhere)) rmSync(elsewhere, { recursive: true, force: true });
  rmSync(dataDir, { recursive: true, force: true });
}

/** PostgreSQL refuses to run as root. */
function unprivilegedUser(): SystemUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    const [uid, gid] = ['-u', '-g'].map((flag) => spawnSync('id', [flag, name], { encoding: 'utf8' }));
    if (uid?.status === 0 && gid?.status === 0) return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  }
  throw new SetupError(
    'PostgreSQL refuses to run as root, and there is no user postgres or nobody to run it as.\n' +
      'Run this as another user, or set DATABASE_URL to a PostgreSQL server that runs already.',
  );
}

function canEnter(directory: string, user: SystemUser): boolean {
  return spawnSync('/bin/sh', ['-c', 'cd "$1"', 'sh', directory], { ...user, cwd: '/' }).status === 0;
}

function canRun(program: string, user: SystemUser | undefined): boolean {
  return spawnSync(program, ['--version'], { ...user, cwd: '/' }).status === 0;
}

/**
 * A directory outside the one only its owner can enter. Its random name is kept in the data directory: the
 * data survives a restart, and a new clone at the same path never finds those of an old one.
 */
function relocate(dataDir: string, user: SystemUser): string {
  const owner = realpathSync(dataDir);
  const known = readRedirect(dataDir);
  if (known && isOurs(known) && adopt(known, owner)) return known;
  const base = ['/var/tmp', tmpdir()].find((directory) => existsSync(directory) && canEnter(directory, user));
  if (!base) {
    throw new SetupError(
      `PostgreSQL runs as another user, who can enter neither ${dataDir} nor a temporary directory.\n` +
        'Move the project to a directory that other users may enter.',
    );
  }
  removeAbandoned(base, owner);
  const directory = join(base, `${PREFIX}${randomBytes(8).toString('hex')}`);
  mkdirSync(directory);
  // Whatever the umask is, the user must get in.
  chmodSync(directory, 0o755);
  writeFileSync(join(directory, OWNER), owner);
  writeFileSync(join(dataDir, REDIRECT), directory);
  return directory;
}

/** False when the data belong to another directory which still exists: this one is a copy of it. */
function adopt(directory: string, owner: string): boolean {
  const current = readOptional(join(directory, OWNER));
  if (current === owner) return true;
  if (current !== undefined && readRedirect(current) === directory) return false;
  writeFileSync(join(directory, OWNER), owner);
  return true;
}

/** What a removed and newly made data directory at the same path has left behind. */
function removeAbandoned(base: string, owner: string): void {
  const candidates = readdirSync(base).filter((name) => name.startsWith(PREFIX));
  for (const directory of candidates.map((name) => join(base, name))) {
    if (isOurs(directory) && readOptional(join(directory, OWNER)) === owner) {
      rmSync(directory, { recursive: true, force: true });
    }
  }
}

/** Somebody else may have put a directory of that name where everybody may write. */
function isOurs(directory: string): boolean {
  const found = lstatSync(directory, { throwIfNoEntry: false });
  return found?.isDirectory() === true && found.uid === process.getuid?.();
}

function readRedirect(dataDir: string): string | undefined {
  return readOptional(join(dataDir, REDIRECT));
}

function readOptional(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
}
