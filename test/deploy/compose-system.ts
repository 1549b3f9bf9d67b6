import { readCompose, type ComposeModel } from '../../tools/deploy/compose.ts';
import type { Container, HealthCheck, Mount, System } from './container.ts';
import { portsOf, programOf } from './programs.ts';

type Service = ComposeModel['services'][string];

/** Containers of a profile that nobody asks for anything here, and why. */
const NOT_RUN: Readonly<Record<string, string>> = {
  'nats-volumes': 'gives volumes an owner, which directories here have from the start',
  redis: 'for services that somebody adds',
  s3: 'for AUDIT_STORE=s3',
};

/** What `docker compose --profile <profile> up` would start, with these variables. */
export async function readComposeSystem(
  profile: string,
  variables: Readonly<Record<string, string>> = {},
): Promise<System> {
  const model = await readCompose(variables);
  const services = Object.entries(model.services).filter(
    ([name, { profiles = [] }]) => profiles.includes(profile) && !(name in NOT_RUN),
  );
  const names = new Set(services.map(([name]) => name));
  const jobs = new Set(
    services.flatMap(([, { depends_on: needs = {} }]) =>
      Object.keys(needs).filter((name) => needs[name]?.condition === 'service_completed_successfully'),
    ),
  );
  return {
    containers: services.map(([name, service]) => ({
      ...describe(name, service, model),
      isJob: jobs.has(name),
      after: Object.keys(service.depends_on ?? {}).filter((other) => names.has(other)),
    })),
    addresses: Object.fromEntries(services.flatMap(([name, service]) => addressesOf(name, service))),
  };
}

function addressesOf(name: string, { image, networks = {} }: Service) {
  const hosts = [name, ...Object.values(networks).flatMap((network) => network?.aliases ?? [])];
  return hosts.flatMap((host) =>
    portsOf(image).map((port) => [`${host}:${port}`, { container: name, port }] as const),
  );
}

function describe(name: string, service: Service, model: ComposeModel): Omit<Container, 'isJob' | 'after'> {
  if (service.entrypoint) throw new Error(`${name} replaces the entrypoint of its image`);
  const environment = Object.entries(service.environment ?? {});
  return {
    name,
    image: service.image,
    args: service.command ?? [],
    env: Object.fromEntries(environment.map(([variable, value]) => [variable, value ?? ''])),
    mounts: mountsOf(service, model),
    health: healthOf(service),
  };
}

function mountsOf(service: Service, model: ComposeModel): Mount[] {
  const { secrets = [], configs = [], volumes = [], tmpfs = [] } = service;
  return [
    ...secrets.map(({ source, target }) => ({ path: target, source: model.secrets?.[source]?.file ?? '' })),
    ...configs.map(({ source, target }) => ({ path: target, source: model.configs?.[source]?.file ?? '' })),
    ...volumes.map(({ type, source, target }) =>
      type === 'bind' ? { path: target, source } : { path: target },
    ),
    ...tmpfs.map((path) => ({ path })),
  ];
}

/** The check of the file, or that of our images; a server without HTTP is asked in its own way. */
function healthOf({ image, healthcheck }: Service): HealthCheck[] {
  const program = programOf(image);
  if (healthcheck?.disable) return [];
  if (!healthcheck && program.kind === 'app' && program.port !== undefined) {
    return [{ port: program.port, path: '/health/live' }];
  }
  const url = healthcheck?.test
    ?.map((word) => /^http:\/\/127\.0\.0\.1:(\d+)(\/.*)$/.exec(word))
    .find(Boolean);
  return url ? [{ port: Number(url[1]), path: url[2] ?? '/' }] : [];
}
