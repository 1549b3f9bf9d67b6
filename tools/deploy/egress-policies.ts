import { appOfImage, isKnownVariable } from './environments.ts';
import { settingsOf } from './file-policies.ts';
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

interface Rule {
  readonly ports?: readonly { readonly port: number | string }[];
  readonly to?: readonly { readonly podSelector?: Selector; readonly namespaceSelector?: Selector }[];
}

const NAMESPACE = 'kubernetes.io/metadata.name';

/** Servers that settings name and that the pod must not reach: nothing is allowed but what a policy says. */
export function findEgressProblems(objects: readonly KubeObject[]): string[] {
  return workloadsOf(objects).flatMap((workload) => {
    const rules = egressOf(workload, objects);
    return targetsOf(workload, objects)
      .filter(({ url }) => !rules.some((rule) => leadsTo(rule, url, objects)))
      .map(
        ({ variable, url }) =>
          `${describeObject(workload.object)}: ${variable} names ${url.host}, which no policy lets it reach`,
      );
  });
}

function targetsOf(workload: Workload, objects: readonly KubeObject[]): { variable: string; url: URL }[] {
  return containersOf(workload).flatMap((container) => {
    const app = appOfImage(container.image);
    if (app === undefined) return [];
    return Object.entries(settingsOf(container, objects))
      .filter(([variable]) => isKnownVariable(app, variable))
      .flatMap(([variable, value]) => urlsIn(value).map((url) => ({ variable, url })));
  });
}

function urlsIn(text: string): URL[] {
  return text.split(',').flatMap((part) => (/^[a-z]+:\/\//.test(part) ? [new URL(part)] : []));
}

function egressOf({ labels }: Workload, objects: readonly KubeObject[]): Rule[] {
  return objects
    .filter(({ kind }) => kind === 'NetworkPolicy')
    .map(({ spec }) => spec as { podSelector: Selector; egress?: readonly Rule[] })
    .filter(({ podSelector }) => selects(podSelector, labels))
    .flatMap(({ egress = [] }) => egress);
}

/** `http://name:port` is in the namespace of the pod, `http://name.other…:port` in another. */
function leadsTo({ ports = [], to = [] }: Rule, url: URL, objects: readonly KubeObject[]): boolean {
  const [name = '', namespace] = url.hostname.split('.');
  if (!ports.some(({ port }) => String(port) === url.port)) return false;
  if (namespace !== undefined) {
    return to.some(
      ({ namespaceSelector }) => namespaceSelector && selects(namespaceSelector, { [NAMESPACE]: namespace }),
    );
  }
  const pods = podsBehind(name, objects);
  return to.some(
    ({ podSelector, namespaceSelector }) =>
      podSelector &&
      !namespaceSelector &&
      pods.length > 0 &&
      pods.every((labels) => selects(podSelector, labels)),
  );
}

function podsBehind(service: string, objects: readonly KubeObject[]): Labels[] {
  const found = objects.find(({ kind, metadata }) => kind === 'Service' && metadata.name === service);
  if (!found) return [];
  const matchLabels = (found.spec?.['selector'] ?? {}) as Labels;
  return workloadsOf(objects).flatMap(({ labels }) => (selects({ matchLabels }, labels) ? [labels] : []));
}
