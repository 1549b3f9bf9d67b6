import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CACHE_DIR, ROOT_DIR } from '../paths.ts';
import { fetchDebianPackages } from '../servers/debian-package.ts';
import { runCommand } from '../servers/run-command.ts';
import { appOfImage, findForgottenUrls, isKnownVariable } from './environments.ts';
import { findForeignCredentials, findLostFiles, type MountedPath } from './file-policies.ts';

interface ComposeService {
  readonly image: string;
  readonly environment?: Readonly<Record<string, string | null>>;
  readonly healthcheck?: { readonly disable?: boolean; readonly test?: readonly string[] };
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly privileged?: boolean;
  readonly ports?: readonly {
    readonly host_ip?: string;
    readonly published?: string;
    readonly target: number;
  }[];
  readonly volumes?: readonly { readonly type: string; readonly source: string; readonly target: string }[];
  readonly secrets?: readonly MountedFile[];
  readonly configs?: readonly MountedFile[];
  readonly tmpfs?: readonly string[];
  readonly networks?: Readonly<Record<string, { readonly aliases?: readonly string[] } | null>>;
  readonly profiles?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly entrypoint?: readonly string[] | null;
  readonly command?: readonly string[] | null;
}

interface MountedFile {
  readonly source: string;
  readonly target: string;
}

/** What Docker Compose makes of docker-compose.yml. */
export interface ComposeModel {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly secrets?: Readonly<Record<string, { readonly file?: string }>>;
  readonly configs?: Readonly<Record<string, { readonly file?: string }>>;
}

/** Made for each installation, by `npm run credentials`. */
const CREDENTIALS_DIR = join(ROOT_DIR, 'secrets');
const PINNED = /:[\w.-]*\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?$/;

/** Images that answer for their health themselves: ours are built with a check. */
const isOurs = (image: string) => appOfImage(image) !== undefined;

/** @param variables that the file asks for, over those of this process */
export async function readCompose(variables: Readonly<Record<string, string>> = {}): Promise<ComposeModel> {
  const program = await findCompose();
  const file = join(ROOT_DIR, 'docker-compose.yml');
  const args = ['--file', file, '--profile', '*', 'config', '--format', 'json'];
  const output = await runCommand(program, args, { env: { ...process.env, ...variables } });
  return JSON.parse(output) as ComposeModel;
}

/** What of the containers could be reached from elsewhere, is not pinned, may do too much or is set for nobody. */
export function findComposeProblems({ services, secrets = {}, configs = {} }: ComposeModel): string[] {
  return [
    ...Object.entries(services).flatMap(([name, service]) =>
      findServiceProblems(service, services).map((problem) => `docker-compose.yml: ${name}: ${problem}`),
    ),
    ...Object.entries({ ...secrets, ...configs })
      .filter(([, { file }]) => file === undefined || !isThere(file))
      .map(([name, { file }]) => `docker-compose.yml: ${name} is not in a file that is there: ${file}`),
  ];
}

function findServiceProblems(service: ComposeService, services: ComposeModel['services']): string[] {
  const app = appOfImage(service.image);
  const { ports = [], volumes = [], profiles = [], depends_on: needs = {} } = service;
  return [
    ...ports
      .filter(({ host_ip: address }) => address !== '127.0.0.1')
      .map(({ target }) => `port ${target} listens beyond this machine`),
    ...(PINNED.test(service.image) ? [] : [`image ${service.image} is not pinned`]),
    ...(profiles.length > 0 ? [] : ['belongs to no profile']),
    ...(service.privileged ? ['is privileged'] : []),
    ...(app === undefined ? [] : findAppProblems(app, service)),
    ...findLostFiles(service.environment ?? {}, mountsOf(service)),
    ...volumes
      .filter(({ type, source }) => type === 'bind' && !isThere(source))
      .map(({ source }) => `mounts ${source}, which is not there`),
    ...Object.entries(needs)
      .filter(([other, { condition }]) => condition === 'service_healthy' && !canBeHealthy(services[other]))
      .map(([other]) => `waits for ${other} to be healthy, which nobody checks`),
  ];
}

function findAppProblems(app: string, { environment = {}, ...service }: ComposeService): string[] {
  return [
    ...(service.read_only ? [] : ['its root file system can be written to']),
    ...(service.cap_drop?.includes('ALL') ? [] : ['keeps capabilities']),
    ...Object.keys(environment)
      .filter((variable) => !isKnownVariable(app, variable))
      .map((variable) => `sets ${variable}, which ${app} does not read`),
    ...findForgottenUrls(app, Object.keys(environment)).map((variable) => `lacks ${variable} beside others`),
    ...findForeignCredentials(
      app,
      (service.volumes ?? []).map(({ source }) => source),
    ),
  ];
}

function isThere(file: string): boolean {
  return existsSync(file) || file.startsWith(CREDENTIALS_DIR);
}

function mountsOf({ secrets = [], configs = [], volumes = [] }: ComposeService): MountedPath[] {
  const files = [...secrets, ...configs].map(({ target }) => ({ path: target }));
  return [...files, ...volumes.map(({ source, target }) => ({ path: target, files: filesIn(source) }))];
}

/** Credentials are made only later, but which files they are is known. */
function filesIn(source: string): string[] | undefined {
  if (!source.startsWith(CREDENTIALS_DIR)) return undefined;
  return ['ca.crt', 'tls.crt', 'tls.key', source.endsWith('/server') ? 'accounts.conf' : 'user.nk'];
}

function canBeHealthy(service: ComposeService | undefined): boolean {
  if (!service || service.healthcheck?.disable) return false;
  return service.healthcheck !== undefined || isOurs(service.image);
}

/** Version 2 or later; what Debian 12 calls docker-compose is version 1, which the project has ended. */
async function findCompose(): Promise<string> {
  const { directory } = await fetchDebianPackages({
    packages: ['docker-compose'],
    cacheDir: join(CACHE_DIR, 'docker-compose'),
  });
  return join(directory, 'usr/libexec/docker/cli-plugins/docker-compose');
}
