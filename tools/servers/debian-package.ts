import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { guard } from '../process/guard.ts';
import { messageOf } from '../setup-error.ts';
import { type AptSource, distributionArchives, formatSource, readAptSources } from './apt-sources.ts';
import { runCommand } from './run-command.ts';

/** The suite with the newest packages, and where in the archive they are, by distribution. */
const DISTRIBUTIONS: Readonly<Record<string, { newest: string; components: readonly string[] }>> = {
  debian: { newest: 'sid', components: ['main'] },
  ubuntu: { newest: 'devel', components: ['main', 'universe'] },
};

/** Dependencies may be hundreds of megabytes. */
const DEPENDENCIES_TIMEOUT_MS = 900_000;

/** The suite this system was installed from, whose libraries fit the system's. */
export const INSTALLED_SUITE = Symbol('installed suite');

export interface DebianPackages {
  /** Binary packages, all unpacked into one directory. The first one names it. */
  readonly packages: readonly [string, ...string[]];
  /** @default the distribution's suite with the newest packages */
  readonly suite?: string | typeof INSTALLED_SUITE;
  /**
   * Also fetches what the packages depend on, whatever this system has installed, except for these and for what only
   * these need.
   * @default nothing but the packages themselves
   */
  readonly dependenciesExcept?: readonly string[];
  readonly cacheDir: string;
  /** Rejects when what is cached is of no use, as half a file after a power cut: it is fetched again then. */
  readonly check?: (unpacked: UnpackedPackages) => Promise<unknown>;
  readonly signal?: AbortSignal;
}

export interface UnpackedPackages {
  /** Holds `usr/…` and so on, as the packages do. */
  readonly directory: string;
  /** Where they are from, in words. */
  readonly origin: string;
}

interface Distribution {
  readonly name: string;
  readonly codename: string;
  readonly newest: string;
  readonly components: readonly string[];
}

/**
 * Downloads packages from the archive that this system is installed from and unpacks them into the cache.
 * Nothing is installed, so no root is needed. Dependencies are named too, or left to `dependenciesExcept`.
 */
export async function fetchDebianPackages({
  packages,
  suite: wanted,
  dependenciesExcept,
  cacheDir,
  check = () => Promise.resolve(),
  signal,
}: DebianPackages): Promise<UnpackedPackages> {
  const distribution = readDistribution();
  const suite = wanted === INSTALLED_SUITE ? distribution.codename : (wanted ?? distribution.newest);
  const unpacked = {
    directory: join(cacheDir, `${distribution.name.toLowerCase()}-${suite}`, packages[0]),
    origin: `${distribution.name} ${suite}`,
  };
  const isCached = existsSync(unpacked.directory);
  if (isCached && (await succeeds(check(unpacked)))) return unpacked;

  const archives = distributionArchives(readAptSources(), distribution.codename);
  if (archives.length === 0) {
    throw new Error(`the package sources of this system name no ${distribution.name} archive`);
  }
  const failures: string[] = [];
  for (const archive of archives) {
    try {
      const source = formatSource(archive, suite, distribution.components);
      const place = { directory: unpacked.directory, replace: isCached };
      await downloadAndUnpack({ packages, dependenciesExcept, source, ...place, signal });
      return unpacked;
    } catch (error) {
      signal?.throwIfAborted();
      failures.push(`${describeArchive(archive)}: ${messageOf(error)}`);
    }
  }
  throw new Error(`${packages.join(', ')} could not be fetched from ${suite} (${failures.join('; ')})`);
}

async function downloadAndUnpack(request: {
  packages: readonly string[];
  dependenciesExcept: readonly string[] | undefined;
  source: string;
  directory: string;
  replace: boolean;
  signal: AbortSignal | undefined;
}): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), 'slipstream-apt-'));
  guard.removeAtExit(work);
  const draft = `${request.directory}.${process.pid}`;
  try {
    const env = await writePrivateConfiguration(work, request.source);
    const options = { env, cwd: work, signal: request.signal };
    await runCommand('apt-get', ['update'], options);
    if (request.dependenciesExcept) {
      await writeFile(join(work, 'dpkg', 'status'), asInstalled(request.dependenciesExcept));
      const asked = ['install', '--download-only', '--no-install-recommends', '--yes'];
      const patient = { ...options, timeoutMs: DEPENDENCIES_TIMEOUT_MS };
      await runCommand('apt-get', [...asked, ...request.packages], patient);
    } else {
      await runCommand('apt-get', ['download', ...request.packages], options);
    }
    mkdirSync(draft, { recursive: true });
    for (const file of readdirSync(work).filter((name) => name.endsWith('.deb'))) {
      await runCommand('dpkg-deb', ['-x', join(work, file), draft]);
    }
    if (request.replace) await rm(request.directory, { recursive: true, force: true });
    await moveIntoPlace(draft, request.directory);
  } finally {
    await rm(draft, { recursive: true, force: true });
    await rm(work, { recursive: true, force: true });
    guard.keep(work);
  }
}

/** Packages of a system that has nothing else, as dpkg describes them; no dependency asks for a newer version. */
function asInstalled(packages: readonly string[]): string {
  return packages
    .map((name) =>
      [
        `Package: ${name}`,
        'Status: install ok installed',
        'Architecture: all',
        'Version: 9999:0',
        '',
        '',
      ].join('\n'),
    )
    .join('');
}

/** Moved when complete: an interrupted unpacking is never taken for a cached package. */
async function moveIntoPlace(draft: string, directory: string): Promise<void> {
  await rename(draft, directory).catch((error: unknown) => {
    // Another process fetched the same packages meanwhile.
    if (!existsSync(directory)) throw error;
  });
}

/** A configuration of its own, so that the system's package lists and caches are neither used nor changed. */
async function writePrivateConfiguration(work: string, source: string): Promise<NodeJS.ProcessEnv> {
  for (const directory of ['state/lists/partial', 'cache', 'dpkg', 'partial', 'parts']) {
    mkdirSync(join(work, directory), { recursive: true });
  }
  const system = await runCommand('apt-config', ['dump']);
  // Proxies, certificates and timeouts are the system's; its hooks and extra indexes are left out.
  const acquire = system.split('\n').filter((line) => /^Acquire::(?!IndexTargets|Languages)/.test(line));
  const own = {
    'Dir::Etc::SourceList': join(work, 'archive.sources'),
    'Dir::Etc::SourceParts': join(work, 'parts'),
    'Dir::Etc::Parts': join(work, 'parts'),
    'Dir::Etc::Main': join(work, 'none.conf'),
    'Dir::Etc::Preferences': join(work, 'none.preferences'),
    'Dir::Etc::PreferencesParts': join(work, 'parts'),
    'Dir::State': join(work, 'state'),
    // Beside it lies the lock that only root may take of the system's.
    'Dir::State::Status': join(work, 'dpkg', 'status'),
    'Dir::Cache': join(work, 'cache'),
    'Dir::Cache::Archives': work,
    'Acquire::Languages': 'none',
    'Acquire::Retries': '2',
    'APT::Get::List-Cleanup': 'false',
    // The unprivileged user apt switches to under root cannot write to a private directory.
    ...(process.getuid?.() === 0 && { 'APT::Sandbox::User': 'root' }),
  };
  const lines = Object.entries(own).map(([key, value]) => `${key} "${value}";`);
  await writeFile(join(work, 'archive.sources'), source);
  await writeFile(join(work, 'apt.conf'), [...acquire, ...lines, ''].join('\n'));
  chmodSync(join(work, 'apt.conf'), 0o600);
  return { ...process.env, APT_CONFIG: join(work, 'apt.conf'), LC_ALL: 'C' };
}

function readDistribution(): Distribution {
  const release = readOsRelease();
  const name = release.NAME?.split(/[ /]/)[0] ?? 'this system';
  const distribution = DISTRIBUTIONS[release.ID ?? ''];
  if (!distribution) throw new Error(`${name} is not Debian or Ubuntu`);
  return { name, codename: release.VERSION_CODENAME ?? '', ...distribution };
}

function readOsRelease(): NodeJS.Dict<string> {
  try {
    return parseEnv(readFileSync('/etc/os-release', 'utf8'));
  } catch {
    return {};
  }
}

function succeeds(work: Promise<unknown>): Promise<boolean> {
  return work.then(
    () => true,
    () => false,
  );
}

function describeArchive({ uris }: AptSource): string {
  return uris.join(' ');
}
