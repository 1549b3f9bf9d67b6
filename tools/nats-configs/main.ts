// Has nats-server read every configuration of docker/nats and k8s, with certificates and keys made for the occasion.
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { ensureCredentials } from '../nats-security/credentials.ts';
import { CACHE_DIR, ROOT_DIR } from '../paths.ts';
import { findNatsServer } from '../servers/nats-server-binary.ts';
import { runCommand } from '../servers/run-command.ts';
import { messageOf } from '../setup-error.ts';

const SOURCE = join(ROOT_DIR, 'docker', 'nats');
/** A part that only others make sense of: variables nobody uses. */
const PART = 'permissions.conf';
const MANIFEST = 'k8s/overlays/dev/nats.yaml';

const directory = mkdtempSync(join(tmpdir(), 'slipstream-nats-configs-'));
try {
  const { path } = await findNatsServer({ cacheDir: CACHE_DIR });
  const environment = await prepare();
  const files = globSync('*.conf', { cwd: SOURCE }).filter((name) => name !== PART);
  for (const file of [...files, ...writeEmbedded()]) {
    await runCommand(path, ['-t', '-c', join(directory, file)], { env: { ...process.env, ...environment } });
    console.log(`${file} is valid`);
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
    SERVER_NAME: basename(directory),
    NATS_CLUSTER_ROUTES: '[tls://nats-1:6222,tls://nats-2:6222,tls://nats-3:6222]',
    NATS_SERVER_CA: join(own, 'ca.crt'),
    NATS_SERVER_CERT: join(own, 'tls.crt'),
    NATS_SERVER_KEY: join(own, 'tls.key'),
    NATS_STORE_DIR: join(directory, 'store'),
  };
}

/** Configurations in the ConfigMaps of the manifest, as files; returns their names. */
function writeEmbedded(): string[] {
  const documents = parseAllDocuments(readFileSync(join(ROOT_DIR, MANIFEST), 'utf8'));
  const found = documents.flatMap((document) => {
    const { kind, data = {} } = document.toJS() as { kind: string; data?: Record<string, string> };
    return kind === 'ConfigMap' ? Object.entries(data) : [];
  });
  if (found.length === 0) throw new Error(`${MANIFEST} holds no configuration any more`);
  return found.map(([name, text]) => {
    const file = `k8s-${name}`;
    // Where a container may write, this process need not be able to.
    writeFileSync(join(directory, file), text.replace('/data', join(directory, 'store')));
    return file;
  });
}

/** The roles as they are committed; a test compares that with the code. */
function rolesOf(file: string): string[] {
  const text = readFileSync(join(SOURCE, file), 'utf8');
  const names = [...text.matchAll(/^PERMISSIONS_(\w+):/gm)].map(([, name = '']) => name);
  return names.map((name) => name.toLowerCase().replaceAll('_', '-'));
}
