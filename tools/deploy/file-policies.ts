import { appOfImage } from './environments.ts';
import type { KubeObject } from './kube-object.ts';
import { containersOf, describeObject, workloadsOf, type Container, type Workload } from './kube-object.ts';
import { keysOf } from './reference-policies.ts';

/** Something at a path of a container. */
export interface MountedPath {
  readonly path: string;
  /** Names of the files in it, where they are known. */
  readonly files?: readonly string[] | undefined;
}

/** Variables that name a file. */
const NAMES_FILE = /_FILE$|^NATS_TLS_(CA|CERT|KEY)$/;
/** Whose credentials a directory or Secret holds. */
const CREDENTIALS =
  /(?:^|\/)(?:secrets\/|nats-)(order-service|payment-service|inventory-service|audit-service|console|provisioner|operator|system|server|authority)$/;
const ROLE_OF_TOOLS = 'provisioner';

/** Variables that name a file which nothing puts there. */
export function findLostFiles(
  variables: Readonly<Record<string, string | null>>,
  mounts: readonly MountedPath[],
): string[] {
  return Object.entries(variables)
    .filter(([name, value]) => NAMES_FILE.test(name) && value?.startsWith('/'))
    .filter(([, value]) => !mounts.some((mount) => holds(mount, value ?? '')))
    .map(([name, value]) => `${name} names ${value}, which nothing puts there`);
}

function holds({ path, files }: MountedPath, file: string): boolean {
  if (file === path) return true;
  return file.startsWith(`${path}/`) && (files?.includes(file.slice(path.length + 1)) ?? true);
}

/** Credentials of others that a container of ours gets; each has those of its own role. */
export function findForeignCredentials(app: string, sources: readonly string[]): string[] {
  const own = app === 'cli' ? ROLE_OF_TOOLS : app;
  return sources
    .filter((source) => (CREDENTIALS.exec(source)?.[1] ?? own) !== own)
    .map((source) => `gets ${source}, which are not the credentials of ${own}`);
}

/** The same of all pods. */
export function findFileProblems(objects: readonly KubeObject[]): string[] {
  return workloadsOf(objects).flatMap((workload) =>
    containersOf(workload).flatMap((container) => {
      const app = appOfImage(container.image);
      const secrets = (workload.pod.volumes ?? []).flatMap(({ secret }) => secret?.secretName ?? []);
      return [
        ...findLostFiles(settingsOf(container, objects), mountsOf(workload, container, objects)),
        ...(app === undefined ? [] : findForeignCredentials(app, secrets)),
      ].map((problem) => `${describeObject(workload.object)}: ${problem}`);
    }),
  );
}

/** What is written down; values of Secrets are not looked at. */
export function settingsOf(
  { env = [], envFrom = [] }: Container,
  objects: readonly KubeObject[],
): Record<string, string> {
  const shared = envFrom.map(({ configMapRef }) => {
    const isIt = ({ kind, metadata }: KubeObject) =>
      kind === 'ConfigMap' && metadata.name === configMapRef?.name;
    return objects.find(isIt)?.data ?? {};
  });
  const own = env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value] as const]));
  return { ...Object.assign({}, ...shared), ...Object.fromEntries(own) } as Record<string, string>;
}

function mountsOf(
  { pod }: Workload,
  { volumeMounts = [] }: Container,
  objects: readonly KubeObject[],
): MountedPath[] {
  return volumeMounts.map(({ name, mountPath: path }) => {
    const { secret, configMap } = pod.volumes?.find((volume) => volume.name === name) ?? {};
    if (secret) return { path, files: keysOf(objects, 'Secret', secret.secretName) };
    return { path, files: configMap && keysOf(objects, 'ConfigMap', configMap.name) };
  });
}
