import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../setup-error.ts';
import { runCommand } from './run-command.ts';

export interface NatsRelease {
  readonly version: string;
  readonly baseUrl: string;
  /** SHA-256 of the archive, by `<platform>-<arch>` as Node.js names them. */
  readonly sha256: Readonly<Record<string, string>>;
}

/** Checksums as the server's official container image pins them. */
export const PINNED_RELEASE: NatsRelease = {
  version: '2.14.5',
  baseUrl: 'https://github.com/nats-io/nats-server/releases/download',
  sha256: {
    'linux-x64': '5e3b603d47c447bda1f77f9ac16dbf91c90aac4ff3681f8fbbc7201e4ed99355',
    'linux-arm64': '673a98d3faa79dde3f9ebf16d6dfac36a5f694e7ad2015e4954dd7939c85cd4c',
  },
};

const TIMEOUT_MS = 120_000;

/** Downloads the official release into the cache; returns the path of the binary. */
export async function fetchNatsRelease(
  { cacheDir, signal }: { readonly cacheDir: string; readonly signal?: AbortSignal },
  release = PINNED_RELEASE,
): Promise<string> {
  const platform = `${process.platform}-${process.arch}`;
  const expected = release.sha256[platform];
  if (!expected) throw new Error(`no release is pinned for ${platform}`);
  const name = `nats-server-v${release.version}-${platform.replace('x64', 'amd64')}`;
  const archive = await download(`${release.baseUrl}/v${release.version}/${name}.tar.gz`, signal);
  const actual = createHash('sha256').update(archive).digest('hex');
  if (actual !== expected) throw new Error(`the download has SHA-256 ${actual}, expected ${expected}`);
  return unpack({ archive, name, cacheDir });
}

async function download(url: string, stop: AbortSignal | undefined): Promise<Buffer> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const signal = stop ? AbortSignal.any([stop, timeout]) : timeout;
  const response = await fetch(url, { signal }).catch((error: unknown) => {
    // fetch says only that it failed; the reason is in its cause.
    const cause = error instanceof Error ? error.cause : undefined;
    throw new Error(`${url}: ${messageOf(cause ?? error)}`);
  });
  if (!response.ok) throw new Error(`${url}: HTTP ${response.status}`);
  return Buffer.from(await response.arrayBuffer());
}

async function unpack(request: { archive: Buffer; name: string; cacheDir: string }): Promise<string> {
  const draft = join(request.cacheDir, `release.${process.pid}`);
  const target = join(request.cacheDir, 'release');
  mkdirSync(draft, { recursive: true });
  try {
    await writeFile(join(draft, 'archive.tar.gz'), request.archive);
    await runCommand('tar', ['-xzf', 'archive.tar.gz', `${request.name}/nats-server`], { cwd: draft });
    const binary = join(target, 'nats-server');
    mkdirSync(target, { recursive: true });
    // Replaced in one step: another process may be starting the server that lies there.
    await rename(join(draft, request.name, 'nats-server'), binary);
    return binary;
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}
