import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  ensureAuthority,
  ensureCertificate,
  hostsOf,
  type KeyedCertificate,
  type Subject,
} from './certificates.ts';
import { replaceFile } from './replace-file.ts';
import { ensureUserKey, publicKeysOf, seedFileOf } from './user-key.ts';

/** User of the system account, who looks after the servers and sees no message. */
const SYSTEM = 'system';
const CA = 'ca.crt';
const LOCAL_HOSTS = ['localhost', '127.0.0.1'];

/**
 * What servers and clients prove themselves with:
 *
 * - `authority/`: key and certificate of the authority; the key belongs to nobody else
 * - `server/`: certificate and key of the servers, the authority's certificate, `accounts.conf` with the users' public keys
 * - `<role>/`: for each role its certificate and key, the authority's certificate, and the seed of its NATS user
 */
export interface CredentialsRequest {
  readonly directory: string;
  /** Names of those that have permissions. */
  readonly roles: readonly string[];
  /**
   * Host names and addresses by which clients and other servers reach a server.
   * @default those of the certificate that is there, else those of this machine
   */
  readonly hosts?: readonly string[] | undefined;
}

/** Makes what is missing, or nearly over. What is there stays as it is. */
export async function ensureCredentials({ directory, roles, ...request }: CredentialsRequest): Promise<void> {
  const hosts = request.hosts ?? hostsOf(filesIn(directory, 'server').certFile) ?? LOCAL_HOSTS;
  const authority = filesIn(directory, 'authority');
  await ensureAuthority(authority);
  await ensureSubject(directory, authority, 'server', { commonName: 'nats', hosts });
  for (const role of [...roles, SYSTEM]) {
    await ensureSubject(directory, authority, role, { commonName: role, hosts: [] });
    ensureUserKey(join(directory, role));
  }
  replaceFile(join(directory, 'server', 'accounts.conf'), accountsConfig(directory, roles));
}

/** Variables with which a client proves that it has the role. */
export function credentialEnvironment(directory: string, role: string): Record<string, string> {
  const own = join(directory, role);
  return {
    NATS_TLS_CA: join(own, CA),
    NATS_TLS_CERT: join(own, 'tls.crt'),
    NATS_TLS_KEY: join(own, 'tls.key'),
    NATS_NKEY_SEED_FILE: seedFileOf(own),
    NATS_INBOX_PREFIX: `_INBOX_${role}`,
  };
}

async function ensureSubject(
  directory: string,
  authority: KeyedCertificate,
  name: string,
  subject: Subject,
): Promise<void> {
  await ensureCertificate(filesIn(directory, name), authority, subject);
  copyFileSync(authority.certFile, join(directory, name, CA));
}

function filesIn(directory: string, name: string): KeyedCertificate {
  const own = join(directory, name);
  mkdirSync(own, { recursive: true, mode: 0o700 });
  return { certFile: join(own, 'tls.crt'), keyFile: join(own, 'tls.key') };
}

function accountsConfig(directory: string, roles: readonly string[]): string {
  const user = (key: string, permissions = '') => `      { nkey: ${key}${permissions} }\n`;
  const keysOf = (role: string) => publicKeysOf(join(directory, role));
  const users = roles.flatMap((role) =>
    keysOf(role).map((key) =>
      user(key, `, permissions: $PERMISSIONS_${role.toUpperCase().replaceAll('-', '_')}`),
    ),
  );
  const system = keysOf(SYSTEM).map((key) => user(key));
  return (
    `# Who may connect, as which role. Public keys only.\ninclude "permissions.conf"\n\naccounts: {\n` +
    `  SLIPSTREAM: {\n    jetstream: enabled\n    users: [\n${users.join('')}    ]\n  }\n` +
    `  SYS: {\n    users: [\n${system.join('')}    ]\n  }\n}\n`
  );
}
