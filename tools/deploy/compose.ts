import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CACHE_DIR, ROOT_DIR } from '../paths.ts';
import { fetchDebianPackages } from '../servers/debian-package.ts';
import { runCommand } from '../servers/run-command.ts';
import { appOfImage, isKnownVariable } from './environments.ts';

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
  readonly secrets?: readonly { readonly source: string; readonly target: string }[];
  readonly tmpfs?: readonly string[];
  readonly networks?: Readonly<Record<string, { readonly aliases?: readonly string[] } | null>>;
  readonly profiles?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly entrypoint?: readonly string[] | null;
  readonly command?: readonly string[] | null;
}

/** What Docker Compose makes of docker-compose.yml. */
export interface ComposeModel {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly secrets?: Readonly<Record<string, { readonly file?: string }>>;
}

const PINNED = /:[\w.-]*\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?$/;

/** Images that answer for their health themselves: ours are built with a check. */
const isOurs = (image: string) => appOfImage(image) !== undefined;

export async function readCompose(): Promise<ComposeModel> {
  const program = await findCompose();
  const file = join(ROOT_DIR, 'docker-compose.yml');
  const output = await runCommand(program, ['--file', file, '--profile', '*', 'config', '--format', 'json']);
  return JSON.parse(output) as ComposeModel;
}

/** What of the containers could be reached from elsewhere, is not pinned, may do too much or is set for nobody. */
export function findComposeProblems({ services, secrets = {} }: ComposeModel): string[] {
  return [
    ...Object.entries(services).flatMap(([name, service]) =>
      findServiceProblems(service, services).map((problem) => `docker-compose.yml: ${name}: ${problem}`),
    ),
    ...Object.entries(secrets)
      .filter(([, { file }]) => file === undefined || !existsSync(file))
      .map(
        ([name, { file }]) => `docker-compose.yml: secret ${name} is not in a file that is there: ${file}`,
      ),
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
    ...volumes
      .filter(({ type, source }) => type === 'bind' && !existsSync(source))
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
  ];
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
