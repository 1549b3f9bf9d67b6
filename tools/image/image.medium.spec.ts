import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '@slipstream/testing';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { claimFreePorts, type ClaimedPort } from '../process/free-ports.ts';
import { assembleImage } from './assemble.ts';

/** What a container of it gets: its own root, read-only, no privileges, no environment but its own. */
const CONTAINER = `
set -eu
root=$1 image=$2 node=$3 port=$4
mount -t tmpfs -o size=64m tmpfs "$root"
mkdir -p "$root/app" "$root/tmp" "$root/data" "$root/usr/bin" "$root/dev"
for folder in /lib /lib64 /usr/lib; do [ ! -e "$folder" ] || { mkdir -p "$root$folder"; mount --bind -o ro "$folder" "$root$folder"; }; done
touch "$root/usr/bin/node" "$root/dev/null" "$root/dev/urandom"
mount --bind -o ro "$node" "$root/usr/bin/node"
mount --bind /dev/null "$root/dev/null"
mount --bind /dev/urandom "$root/dev/urandom"
mount --bind -o ro "$image" "$root/app"
mount -t tmpfs -o size=16m,mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o size=16m,mode=1777 tmpfs "$root/data"
touch "$root/usr/bin/setpriv"
mount --bind -o ro "$(command -v setpriv)" "$root/usr/bin/setpriv"
mount -o remount,ro "$root"
exec chroot "$root" /usr/bin/setpriv --reuid=65532 --regid=65532 --clear-groups --no-new-privs \\
  --inh-caps=-all --bounding-set=-all /usr/bin/node -e '
  process.chdir("/app");
  const env = { PORT: process.argv[1], HOST: "127.0.0.1", GATEWAY_DATA_FILE: "/data/ledger.ndjson" };
  process.execve("/usr/bin/node", ["node", "--enable-source-maps", "main.js"], env);
' "$port"
`;
const canMount = process.getuid?.() === 0 && spawnSync('unshare', ['--mount', 'true']).status === 0;
if (!canMount && process.env.CI)
  throw new Error('images are tested in a mount namespace, which needs root here');

const describeContainer = canMount ? describe : describe.skip;

describe('the image of an app', () => {
  let directory: string;
  let files: readonly string[];
  let ports: ClaimedPort[];
  const running: ChildProcess[] = [];

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'slipstream-image-'));
    ports = await claimFreePorts(1);
    ({ files } = await assembleImage('payment-gateway', join(directory, 'image')));
  }, 120_000);

  afterAll(async () => {
    for (const child of running.filter(({ exitCode }) => exitCode === null)) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    for (const port of ports) port.release();
    rmSync(directory, { recursive: true, force: true });
  });

  it('holds nothing that only development needs', () => {
    const held = new Set(files.map((file) => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1]));
    const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
      packages: Record<string, { dev?: boolean; devDependencies?: Record<string, string> }>;
    };
    // A package that production needs as well is not marked.
    const development = Object.keys(packages['']?.devDependencies ?? {}).filter(
      (name) => packages[`node_modules/${name}`]?.dev,
    );
    expect(development).toContain('jest');
    expect(development.filter((name) => held.has(name))).toEqual([]);
    expect(files.filter((file) => /\.(spec\.js|d\.ts)$/.test(file) && file.startsWith('dist'))).toEqual([]);
  });

  it('is small: with Node.js and a slim base of 220 MB it stays below 250 MB', () => {
    const bytes = files.reduce((sum, file) => sum + statSync(join(directory, 'image', file)).size, 0);
    expect(bytes).toBeLessThan(30e6);
  });

  it('is the same when it is assembled again', async () => {
    const again = join(directory, 'again');
    await assembleImage('payment-gateway', again);
    expect(fingerprint(again, files)).toBe(fingerprint(join(directory, 'image'), files));
  }, 120_000);

  describeContainer('in a container', () => {
    it('runs on a read-only root as a user without privileges, and drains on SIGTERM', async () => {
      if (!canMount) return;
      const [port] = ports;
      const root = mkdtempSync(join(directory, 'root-'));
      const args = [
        '-c',
        CONTAINER,
        'container',
        root,
        join(directory, 'image'),
        process.execPath,
        String(port?.port),
      ];
      const child = spawn('unshare', ['--mount', '--propagation', 'private', 'sh', ...args], {
        stdio: ['ignore', 'pipe', 'pipe'],
        // Where chroot is, which not every shell looks for there.
        env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
      });
      running.push(child);
      let output = '';
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk) => (output += String(chunk)));
      const url = `http://127.0.0.1:${port?.port}`;
      await waitFor(
        'the container to be ready',
        async () => {
          if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}: ${output}`);
          const answer = await fetch(`${url}/health/ready`);
          return answer.ok;
        },
        60_000,
      );
      expect(readFileSync(`/proc/${child.pid}/status`, 'utf8')).toMatch(/^Uid:\t65532\t65532/m);
      const charge = await fetch(`${url}/charges`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': 'k-1' },
        body: JSON.stringify({ orderId: 'o-1', amountMinor: 100, currency: 'EUR' }),
      });
      expect(charge.ok).toBe(true);
      const health = spawnSync(process.execPath, [join(directory, 'image', 'healthcheck.js')], {
        env: { PORT: String(port?.port) },
      });
      expect(health.status).toBe(0);
      child.kill('SIGTERM');
      const [code] = (await once(child, 'exit')) as [number | null];
      expect({ code, output: code === 0 ? '' : output }).toEqual({ code: 0, output: '' });
    }, 90_000);
  });
});

describe('the image of an app with pages', () => {
  let directory: string;
  let files: readonly string[];

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'slipstream-image-'));
    ({ files } = await assembleImage('console', directory));
  }, 300_000);

  afterAll(() => {
    rmSync(directory, { recursive: true, force: true });
  });

  it('holds them where the app looks for them', () => {
    const script = `
      const { PAGES_DIRECTORY } = await import('./dist/apps/console/apps/console/src/pages.js');
      console.log(PAGES_DIRECTORY);`;
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
      cwd: directory,
      encoding: 'utf8',
    });
    const [page = ''] = files.filter((file) => file.endsWith('/index.html') && file.startsWith('dist/'));
    expect(stdout.trim()).toBe(dirname(join(directory, page)));
    const [, asset] = /src="\.\/(assets\/[^"]+)"/.exec(readFileSync(join(directory, page), 'utf8')) ?? [];
    expect(files).toContain(`dist/web/console/${asset}`);
  }, 60_000);

  it('holds nothing that they are built from, and is small all the same', () => {
    expect(
      files.filter((file) => /^apps\/|^node_modules\/(svelte|vite|uplot|@sveltejs)\//.test(file)),
    ).toEqual([]);
    const bytes = files.reduce((sum, file) => sum + statSync(join(directory, file)).size, 0);
    expect(bytes).toBeLessThan(30e6);
  });
});

function fingerprint(directory: string, files: readonly string[]): string {
  const hash = createHash('sha256');
  for (const file of files) {
    const { mtimeMs, mode } = statSync(join(directory, file));
    hash.update(`${file}\0${mtimeMs}\0${mode}\0`).update(readFileSync(join(directory, file)));
  }
  return hash.digest('hex');
}
