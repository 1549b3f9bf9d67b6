import {
  containersOf,
  describeObject,
  type Container,
  type KubeObject,
  type Probe,
  type Workload,
  workloadsOf,
} from './kube-object.ts';

/** What Node.js takes beside its old generation; with less the kernel kills it before its collector works. */
const BESIDE_THE_HEAP_MIB = 160;
/** Pods that run to their end need no probes. */
const NEEDS_PROBES = new Set(['Deployment', 'StatefulSet']);
const HEALTH_PATHS = {
  startupProbe: '/health/startup',
  readinessProbe: '/health/ready',
  livenessProbe: '/health/live',
};

/** What of the pods contradicts the restricted Pod Security Standard, is not pinned, not limited or not probed. */
export function findWorkloadProblems(objects: readonly KubeObject[]): string[] {
  return workloadsOf(objects).flatMap((workload) => {
    const problems = [
      ...findPodProblems(workload),
      ...containersOf(workload).flatMap((container) =>
        [
          ...findSecurityProblems(container),
          ...findImageProblems(container),
          ...findResourceProblems(container),
          ...findHeapProblems(container),
          ...(NEEDS_PROBES.has(workload.object.kind) ? findProbeProblems(container) : []),
        ].map((problem) => `container ${container.name}: ${problem}`),
      ),
    ];
    return problems.map((problem) => `${describeObject(workload.object)}: ${problem}`);
  });
}

function findPodProblems({ pod }: Workload): string[] {
  const { runAsNonRoot, runAsUser, seccompProfile } = pod.securityContext ?? {};
  return [
    ...(runAsNonRoot === true ? [] : ['runAsNonRoot is not true']),
    ...(typeof runAsUser === 'number' && runAsUser > 0 ? [] : ['runAsUser is no number above 0']),
    ...((seccompProfile as { type?: string } | undefined)?.type === 'RuntimeDefault'
      ? []
      : ['seccompProfile is not RuntimeDefault']),
    ...(pod.automountServiceAccountToken === false ? [] : ['a token of its service account is mounted']),
  ];
}

function findSecurityProblems({ securityContext = {} }: Container): string[] {
  const { allowPrivilegeEscalation, readOnlyRootFilesystem, capabilities } = securityContext;
  const { drop = [] } = (capabilities ?? {}) as { drop?: readonly string[] };
  return [
    ...(allowPrivilegeEscalation === false ? [] : ['allowPrivilegeEscalation is not false']),
    ...(readOnlyRootFilesystem === true ? [] : ['readOnlyRootFilesystem is not true']),
    ...(drop.includes('ALL') ? [] : ['capabilities are not all dropped']),
  ];
}

function findImageProblems({ image }: Container): string[] {
  const tag = /(?::([\w][\w.-]*))?(?:@sha256:[0-9a-f]{64})?$/.exec(image)?.[1];
  const isPinned = image.includes('@sha256:') || (tag !== undefined && /\d+\.\d+/.test(tag));
  return isPinned ? [] : [`image ${image} is not pinned to a version`];
}

function findResourceProblems({ resources }: Container): string[] {
  return [
    ...(resources?.requests?.cpu && resources.requests.memory ? [] : ['requests no CPU or no memory']),
    ...(resources?.limits?.memory ? [] : ['has no limit of memory']),
  ];
}

function findHeapProblems({ resources, env = [] }: Container): string[] {
  const options = env.find(({ name }) => name === 'NODE_OPTIONS')?.value ?? '';
  const heap = /--max-old-space-size=(\d+)/.exec(options)?.[1];
  const limit = resources?.limits?.memory;
  if (!heap || !limit || Number(heap) + BESIDE_THE_HEAP_MIB <= mebibytes(limit)) return [];
  return [`its heap may grow to ${heap} MiB, which its limit of memory leaves no room for`];
}

/** Shape of `512Mi` and `1Gi`. */
export function mebibytes(quantity: string): number {
  const [, count = '0', unit] = /^(\d+)(Mi|Gi)$/.exec(quantity) ?? [];
  return Number(count) * (unit === 'Gi' ? 1_024 : 1);
}

function findProbeProblems(container: Container): string[] {
  return Object.entries(HEALTH_PATHS).flatMap(([name, path]) => {
    const probe = container[name as keyof typeof HEALTH_PATHS];
    if (!probe) return [`has no ${name}`];
    const isOurs = container.name === 'app';
    const asked = probe.httpGet?.path;
    return [
      ...(isOurs && asked !== path ? [`${name} asks ${asked}, not ${path}`] : []),
      ...(hasPort(container, probe) ? [] : [`${name} asks a port that the container does not name`]),
    ];
  });
}

function hasPort({ ports = [] }: Container, { httpGet, tcpSocket }: Probe): boolean {
  const asked = httpGet?.port ?? tcpSocket?.port;
  return (
    asked === undefined || ports.some(({ name, containerPort }) => name === asked || containerPort === asked)
  );
}
