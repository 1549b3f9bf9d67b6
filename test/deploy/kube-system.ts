import { readFileSync } from 'node:fs';
import {
  containersOf,
  selects,
  workloadsOf,
  type Container as KubeContainer,
  type EnvironmentVariable,
  type KubeObject,
  type Labels,
  type Workload,
} from '../../tools/deploy/kube-object.ts';
import { readObjects } from '../../tools/deploy/kustomize.ts';
import type { Container, HealthCheck, Listener, Mount, System } from './container.ts';

interface Pod {
  readonly name: string;
  readonly workload: Workload;
  readonly container: KubeContainer;
}

const JOBS = new Set(['Job', 'CronJob']);

/**
 * What a cluster would start of these manifests: one pod of each Deployment and Job, every pod of a StatefulSet, and of a
 * CronJob the pod of a time that has come.
 * @throws when they use what is not read here, which would make the result another system
 */
export function readKubeSystem(file: string): System {
  const objects = readObjects(readFileSync(file, 'utf8'));
  const pods = workloadsOf(objects).flatMap(podsOf);
  return {
    containers: pods.map((pod) => describe(pod, objects)),
    addresses: Object.fromEntries(
      objects.filter(({ kind }) => kind === 'Service').flatMap((service) => addressesOf(service, pods)),
    ),
  };
}

function podsOf(workload: Workload): Pod[] {
  const { kind, metadata, spec } = workload.object;
  const [container, ...others] = containersOf(workload);
  if (!container || others.length > 0) throw new Error(`${metadata.name} has not one container`);
  const count = kind === 'StatefulSet' ? Number(spec?.['replicas'] ?? 1) : 1;
  const names = Array.from({ length: count }, (_, ordinal) => `${metadata.name}-${ordinal}`);
  return (kind === 'StatefulSet' ? names : [metadata.name]).map((name) => ({ name, workload, container }));
}

/** Names in the namespace: of the Service, which leads to one of its pods, and of each pod of a headless one. */
function addressesOf({ metadata, spec }: KubeObject, pods: readonly Pod[]): [string, Listener][] {
  const {
    selector = {},
    clusterIP,
    ports = [],
  } = spec as {
    selector?: Labels;
    clusterIP?: string;
    ports?: readonly { port: number; targetPort?: string | number }[];
  };
  const selected = pods.filter(({ workload }) => selects({ matchLabels: selector }, workload.labels));
  return ports.flatMap(({ port, targetPort = port }) => {
    const listeners = selected.map(({ name, container }) => ({
      container: name,
      port: portNumber(container, targetPort),
    }));
    const single = clusterIP === 'None' ? listeners : [];
    return [
      ...listeners.slice(0, 1).map((listener): [string, Listener] => [`${metadata.name}:${port}`, listener]),
      ...single.map((listener): [string, Listener] => [
        `${listener.container}.${metadata.name}:${listener.port}`,
        listener,
      ]),
    ];
  });
}

function portNumber({ name: container, ports = [] }: KubeContainer, wanted: string | number): number {
  const found = ports.find(({ name, containerPort }) => name === wanted || containerPort === wanted);
  if (!found) throw new Error(`container ${container} opens no port ${wanted}`);
  return found.containerPort;
}

function describe(pod: Pod, objects: readonly KubeObject[]): Container {
  const { name, workload, container } = pod;
  if (container.command) throw new Error(`${name} replaces the entrypoint of its image`);
  const env = environmentOf(pod, objects);
  return {
    name,
    image: container.image,
    args: (container.args ?? []).map((arg) => expand(arg, env)),
    env,
    mounts: mountsOf(pod, objects),
    isJob: JOBS.has(workload.object.kind),
    after: [],
    health: healthOf(container),
  };
}

function healthOf(container: KubeContainer): HealthCheck[] {
  const probes = [container.startupProbe, container.readinessProbe, container.livenessProbe];
  return probes.flatMap((probe) =>
    probe?.httpGet
      ? [{ port: portNumber(container, probe.httpGet.port), path: probe.httpGet.path ?? '/' }]
      : [],
  );
}

/** As the kubelet does: what whole objects give, then single variables, which may refer to those before them. */
function environmentOf(pod: Pod, objects: readonly KubeObject[]): Record<string, string> {
  const { env = [], envFrom = [] } = pod.container;
  const resolved: Record<string, string> = {};
  for (const { configMapRef, secretRef } of envFrom) {
    if (configMapRef) Object.assign(resolved, entriesOf(objects, 'ConfigMap', configMapRef.name));
    if (secretRef) Object.assign(resolved, entriesOf(objects, 'Secret', secretRef.name));
  }
  for (const variable of env) resolved[variable.name] = valueOf(variable, { pod, objects, resolved });
  return resolved;
}

function valueOf(
  { name, value = '', valueFrom }: EnvironmentVariable,
  from: { pod: Pod; objects: readonly KubeObject[]; resolved: Readonly<Record<string, string>> },
): string {
  if (!valueFrom) return expand(value, from.resolved);
  const { secretKeyRef: secret, configMapKeyRef: config, fieldRef } = valueFrom;
  if (fieldRef?.fieldPath === 'metadata.name') return from.pod.name;
  const found = secret
    ? entriesOf(from.objects, 'Secret', secret.name)[secret.key]
    : config && entriesOf(from.objects, 'ConfigMap', config.name)[config.key];
  if (found === undefined) throw new Error(`${from.pod.name}: ${name} comes from nowhere`);
  return found;
}

/** `$(NAME)` is the variable's value, `$$(NAME)` that text; a name that nobody set stays as it is. */
function expand(text: string, env: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\$(\$\([\w.-]+\))|\$\(([\w.-]+)\)/g, (whole, escaped?: string, name?: string) =>
    escaped === undefined ? (env[name ?? ''] ?? whole) : escaped,
  );
}

function mountsOf({ name, workload, container }: Pod, objects: readonly KubeObject[]): Mount[] {
  return (container.volumeMounts ?? []).map(({ name: volume, mountPath: path, subPath }) => {
    if (subPath !== undefined) throw new Error(`${name} mounts a part of ${volume}`);
    const { configMap, secret } = workload.pod.volumes?.find((known) => known.name === volume) ?? {};
    if (configMap) return { path, files: entriesOf(objects, 'ConfigMap', configMap.name) };
    if (secret) return { path, files: entriesOf(objects, 'Secret', secret.secretName) };
    return { path };
  });
}

function entriesOf(objects: readonly KubeObject[], kind: string, name: string): Record<string, string> {
  const found = objects.find((object) => object.kind === kind && object.metadata.name === name);
  if (!found) throw new Error(`there is no ${kind} ${name}`);
  const data = Object.entries(found.data ?? {}).map(([key, value]): [string, string] => [
    key,
    kind === 'Secret' ? Buffer.from(value, 'base64').toString() : value,
  ]);
  return { ...Object.fromEntries(data), ...found.stringData };
}
