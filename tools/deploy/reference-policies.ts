import {
  containersOf,
  describeObject,
  selects,
  workloadsOf,
  type KubeObject,
  type Labels,
  type Selector,
  type Workload,
} from './kube-object.ts';

interface KubeReference {
  readonly kind: string;
  readonly name: string;
}

interface PortReference {
  readonly port?: string | number;
  readonly targetPort?: string | number;
}

interface Rule {
  readonly ports?: readonly PortReference[];
  readonly from?: readonly Peer[];
  readonly to?: readonly Peer[];
}

interface Peer {
  readonly podSelector?: Selector;
  readonly namespaceSelector?: Selector;
}

/** Which names in the objects lead nowhere: selectors, ports, secrets, settings, volumes, accounts, targets of scaling. */
export function findReferenceProblems(objects: readonly KubeObject[]): string[] {
  const workloads = workloadsOf(objects);
  return [
    ...objects.flatMap((object) =>
      problemsOf(object, objects, workloads).map((problem) => `${describeObject(object)}: ${problem}`),
    ),
    ...workloads.flatMap((workload) =>
      missingNames(workload, objects).map((problem) => `${describeObject(workload.object)}: ${problem}`),
    ),
  ];
}

function problemsOf(
  object: KubeObject,
  objects: readonly KubeObject[],
  workloads: readonly Workload[],
): string[] {
  switch (object.kind) {
    case 'Service':
      return serviceProblems(object, workloads);
    case 'NetworkPolicy':
      return policyProblems(object, workloads);
    case 'PodDisruptionBudget':
      return selectedProblems(object.spec?.['selector'] as Selector, workloads);
    case 'HorizontalPodAutoscaler':
    case 'ScaledObject':
      return scalerProblems(object, objects);
    case 'Deployment':
    case 'StatefulSet':
      return ownSelectorProblems(object, workloads);
    default:
      return [];
  }
}

function scalerProblems({ spec }: KubeObject, objects: readonly KubeObject[]): string[] {
  const { kind = 'Deployment', name = '' } = (spec?.['scaleTargetRef'] ?? {}) as Partial<KubeReference>;
  return has(objects, kind, name) ? [] : [`scales ${kind} ${name}, which is not there`];
}

function serviceProblems({ spec }: KubeObject, workloads: readonly Workload[]): string[] {
  const { selector, ports = [] } = (spec ?? {}) as { selector?: Labels; ports?: readonly PortReference[] };
  const selected = workloads.filter(({ labels }) => selects({ matchLabels: selector ?? {} }, labels));
  if (selected.length === 0) return ['selects no pod'];
  return ports
    .map(({ targetPort, port }) => targetPort ?? port)
    .filter((target) => !selected.every((workload) => opens(workload, target)))
    .map((target) => `leads to port ${target}, which the pods do not open`);
}

function policyProblems({ spec }: KubeObject, workloads: readonly Workload[]): string[] {
  const policy = spec as { podSelector: Selector; ingress?: readonly Rule[]; egress?: readonly Rule[] };
  const selected = workloads.filter(({ labels }) => selects(policy.podSelector, labels));
  if (selected.length === 0) return ['selects no pod'];
  const incoming = (policy.ingress ?? []).flatMap(({ ports = [], from = [] }) => [
    ...closedPorts(ports, selected),
    ...strangers(from, workloads),
  ]);
  const outgoing = (policy.egress ?? []).flatMap(({ ports = [], to = [] }) => [
    ...strangers(to, workloads),
    ...to
      .filter(({ podSelector, namespaceSelector }) => podSelector && !namespaceSelector)
      .flatMap(({ podSelector = {} }) =>
        closedPorts(
          ports,
          workloads.filter(({ labels }) => selects(podSelector, labels)),
        ),
      ),
  ]);
  return [...incoming, ...outgoing];
}

/** Peers in other namespaces are not known here. */
function strangers(peers: readonly Peer[], workloads: readonly Workload[]): string[] {
  return peers
    .filter(({ podSelector, namespaceSelector }) => podSelector && !namespaceSelector)
    .filter(({ podSelector = {} }) => !workloads.some(({ labels }) => selects(podSelector, labels)))
    .map(({ podSelector }) => `lets pods through that are not there: ${JSON.stringify(podSelector)}`);
}

function closedPorts(ports: readonly PortReference[], workloads: readonly Workload[]): string[] {
  return ports
    .map(({ port }) => port)
    .filter((port) => workloads.length > 0 && !workloads.some((workload) => opens(workload, port)))
    .map((port) => `names port ${port}, which the pods do not open`);
}

function selectedProblems(selector: Selector, workloads: readonly Workload[]): string[] {
  return workloads.some(({ labels }) => selects(selector, labels)) ? [] : ['selects no pod'];
}

function ownSelectorProblems(object: KubeObject, workloads: readonly Workload[]): string[] {
  const own = workloads.find((workload) => workload.object === object);
  if (!own) return [];
  const selector = object.spec?.['selector'] as Selector;
  const spread = own.pod.topologySpreadConstraints ?? [];
  const others = workloads.filter((workload) => workload !== own && selects(selector, workload.labels));
  return [
    ...(selects(selector, own.labels) ? [] : ['does not select its own pods']),
    ...others.map((other) => `also selects pods of ${describeObject(other.object)}`),
    ...(spread.every(({ labelSelector = {} }) => selects(labelSelector, own.labels))
      ? []
      : ['is spread by labels that its pods do not have']),
  ];
}

function opens(workload: Workload, port: string | number | undefined): boolean {
  return containersOf(workload).some(({ ports = [] }) =>
    ports.some(({ name, containerPort }) => name === port || containerPort === port),
  );
}

function missingNames(workload: Workload, objects: readonly KubeObject[]): string[] {
  const { pod } = workload;
  const claims = claimsOf(workload.object);
  const volumes = pod.volumes ?? [];
  const needed: [kind: string, name: string | undefined][] = [
    ['ServiceAccount', pod.serviceAccountName],
    ...volumes.flatMap(({ secret, configMap, persistentVolumeClaim }): [string, string | undefined][] => [
      ['Secret', secret?.secretName],
      ['ConfigMap', configMap?.name],
      ['PersistentVolumeClaim', persistentVolumeClaim?.claimName],
    ]),
  ];
  const mounted = new Set([...volumes.map(({ name }) => name), ...claims]);
  return [
    ...needed
      .filter(([kind, name]) => name && !has(objects, kind, name))
      .map(([kind, name]) => `needs ${kind} ${name}, which is not there`),
    ...containersOf(workload).flatMap((container) => [
      ...(container.volumeMounts ?? [])
        .filter(({ name }) => !mounted.has(name))
        .map(({ name }) => `mounts volume ${name}, which is not there`),
      ...missingKeys(container, objects),
    ]),
  ];
}

function missingKeys(
  container: ReturnType<typeof containersOf>[number],
  objects: readonly KubeObject[],
): string[] {
  const single = (container.env ?? []).flatMap(({ valueFrom }) => [
    ...(valueFrom?.secretKeyRef ? [{ kind: 'Secret', ...valueFrom.secretKeyRef }] : []),
    ...(valueFrom?.configMapKeyRef ? [{ kind: 'ConfigMap', ...valueFrom.configMapKeyRef }] : []),
  ]);
  const whole = (container.envFrom ?? []).flatMap(({ configMapRef, secretRef }) => [
    ...(configMapRef ? [{ kind: 'ConfigMap', name: configMapRef.name }] : []),
    ...(secretRef ? [{ kind: 'Secret', name: secretRef.name }] : []),
  ]);
  return [
    ...single
      .filter(({ kind, name, key }) => !keysOf(objects, kind, name)?.includes(key))
      .map(({ kind, name, key }) => `reads ${key} of ${kind} ${name}, which is not there`),
    ...whole
      .filter(({ kind, name }) => !has(objects, kind, name))
      .map(({ kind, name }) => `reads ${kind} ${name}, which is not there`),
  ];
}

function claimsOf({ spec }: KubeObject): string[] {
  const templates = (spec?.['volumeClaimTemplates'] ?? []) as readonly { metadata: { name: string } }[];
  return templates.map(({ metadata }) => metadata.name);
}

function has(objects: readonly KubeObject[], kind: string, name: string): boolean {
  return (
    objects.some((object) => object.kind === kind && object.metadata.name === name) ||
    (kind === 'Secret' && keysOf(objects, kind, name) !== undefined)
  );
}

/** Keys of a Secret or ConfigMap, also of one that an operator makes from a store of secrets. */
export function keysOf(objects: readonly KubeObject[], kind: string, name: string): string[] | undefined {
  const found = objects.find((object) => object.kind === kind && object.metadata.name === name);
  if (found) return Object.keys({ ...found.data, ...found.stringData });
  if (kind !== 'Secret') return undefined;
  const external = objects.find(
    (object) =>
      object.kind === 'ExternalSecret' &&
      ((object.spec?.['target'] as { name?: string } | undefined)?.name ?? object.metadata.name) === name,
  );
  const data = external?.spec?.['data'] as readonly { secretKey: string }[] | undefined;
  return data?.map(({ secretKey }) => secretKey);
}
