// Has nats-server read every configuration of docker/nats, with certificates and keys made for the occasion.
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { ensureCredentials } from '../nats-security/credentials.ts';
import { CACHE_DIR, ROOT_DIR } from '../paths.ts';
import { findNatsServer } from '../servers/nats-server-binary.ts';
import { runCommand } from '../servers/run-command.ts';
import { messageOf } from '../setup-error.ts';

const SOURCE = join(ROOT_DIR, 'docker', 'nats');
/** A part that only others make sense of: variables nobody uses. */
const PART = 'permissions.conf';

const directory = mkdtempSync(join(tmpdir(), 'slipstream-nats-configs-'));
try {
  const { path } = await findNatsServer({ cacheDir: CACHE_DIR });
  const environment = await prepare();
  for (const file of globSync('*.conf', { cwd: SOURCE }).filter((name) => name !== PART)) {
    await runCommand(path, ['-t', '-c', join(directory, file)], { env: { ...process.env, ...environment } });
    console.log(`docker/nats/${file} is valid`);
  }
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = 1;
} finally {
  rmSync(directory, { recursive: true, force: true });
}

/** Puts everything where the configurations look for it; returns the variables they read. */
async function prepare(): Promise<Record<string, string>> {
  const credentials = join(directory, 'credentials');
  await ensureCredentials({ directory: credentials, roles: rolesOf(PART), hosts: ['localhost'] });
  const own = join(credentials, 'server');
  cpSync(SOURCE, directory, { recursive: true });
  cpSync(join(own, 'accounts.conf'), join(directory, 'accounts.conf'));
  return {
    NATS_SERVER_NAME: basename(directory),
    NATS_CLUSTER_ROUTES: '[tls://nats-1:6222,tls://nats-2:6222,tls://nats-3:6222]',
    NATS_SERVER_CA: join(own, 'ca.crt'),
    NATS_SERVER_CERT: join(own, 'tls.crt'),
    NATS_SERVER_KEY: join(own, 'tls.key'),
    NATS_STORE_DIR: join(directory, 'store'),
  };
}

/** The roles as they are committed; a test compares that with the code. */
function rolesOf(file: string): string[] {
  const text = readFileSync(join(SOURCE, file), 'utf8');
  const names = [...text.matchAll(/^PERMISSIONS_(\w+):/gm)].map(([, name = '']) => name);
  return names.map((name) => name.toLowerCase().replaceAll('_', '-'));
}
