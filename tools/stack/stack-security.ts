import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { credentialEnvironment, ensureCredentials } from '../nats-security/credentials.ts';
import { readRoles, runCli } from '../nats-security/roles.ts';
import { ROOT_DIR } from '../paths.ts';
import { natsStoreDir, type StackPaths } from './units.ts';

/** Part of the production configuration that a single server has too. */
const SECURE_CONFIG = 'secure.conf';
const PROVISIONER = 'provisioner';

/** Where a secure stack keeps certificates, keys and seeds. */
export function credentialsDir(dataDir: string): string {
  return join(dataDir, 'credentials');
}

/** What makes the NATS of a stack as strict as that of production: who is who, and who may do what. */
export class StackSecurity {
  private readonly paths: StackPaths;
  private readonly roles: readonly string[];

  private constructor(paths: StackPaths, roles: readonly string[]) {
    this.paths = paths;
    this.roles = roles;
  }

  /** Makes certificates and keys where they are missing; permissions are those of the code as it is built. */
  static async prepare(paths: StackPaths): Promise<StackSecurity> {
    const { names: roles, config } = await readRoles();
    const directory = credentialsDir(paths.dataDir);
    await ensureCredentials({ directory, roles });
    const configDir = join(natsStoreDir(paths), '..');
    mkdirSync(configDir, { recursive: true });
    copyFileSync(join(ROOT_DIR, 'docker', 'nats', SECURE_CONFIG), join(configDir, SECURE_CONFIG));
    copyFileSync(join(directory, 'server', 'accounts.conf'), join(configDir, 'accounts.conf'));
    writeFileSync(join(configDir, 'permissions.conf'), config);
    return new StackSecurity(paths, roles);
  }

  /** What the server's configuration includes, and the variables that part reads. */
  get serverConfig(): { file: string; environment: Record<string, string> } {
    const own = join(credentialsDir(this.paths.dataDir), 'server');
    return {
      file: SECURE_CONFIG,
      environment: {
        NATS_SERVER_CA: join(own, 'ca.crt'),
        NATS_SERVER_CERT: join(own, 'tls.crt'),
        NATS_SERVER_KEY: join(own, 'tls.key'),
        NATS_STORE_DIR: natsStoreDir(this.paths),
      },
    };
  }

  /** Variables of an app, which creates nothing on the server; none for one that does not use it. */
  environmentOf(app: string): Record<string, string> {
    if (!this.roles.includes(app)) return {};
    return { ...this.credentialsOf(app), JETSTREAM_TOPOLOGY: 'bind' };
  }

  /** Variables with which a client has the role. */
  credentialsOf(role: string): Record<string, string> {
    return credentialEnvironment(credentialsDir(this.paths.dataDir), role);
  }

  /** Creates all that services bind to. */
  async provision(url: string): Promise<void> {
    await runCli(['streams', 'apply'], { NATS_URL: url, ...this.credentialsOf(PROVISIONER) });
  }
}
