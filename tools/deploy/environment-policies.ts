import { appOfImage, findForgottenUrls, isKnownVariable } from './environments.ts';
import { containersOf, describeObject, workloadsOf, type Container, type KubeObject } from './kube-object.ts';
import { keysOf } from './reference-policies.ts';

/**
 * Which variables no app reads: a misspelt one would be left at its default without a word. What a whole ConfigMap gives
 * must be read by one at least of the apps that get it. And which services an app is not told the URLs of.
 */
export function findEnvironmentProblems(objects: readonly KubeObject[]): string[] {
  const readersOf = new Map<string, Set<string>>();
  const problems = workloadsOf(objects).flatMap((workload) =>
    containersOf(workload).flatMap((container) => {
      const app = appOfImage(container.image);
      if (!app) return [];
      for (const name of sharedSettings(container))
        readersOf.set(name, (readersOf.get(name) ?? new Set()).add(app));
      const names = (container.env ?? []).map(({ name }) => name);
      return [
        ...names
          .filter((name) => !isKnownVariable(app, name))
          .map((name) => `sets ${name}, which ${app} does not read`),
        ...findForgottenUrls(app, names).map((name) => `lacks ${name} beside others`),
      ].map((problem) => `${describeObject(workload.object)}: ${problem}`);
    }),
  );
  return [...problems, ...[...readersOf].flatMap(([name, apps]) => unreadSettings(objects, name, apps))];
}

function unreadSettings(objects: readonly KubeObject[], name: string, apps: ReadonlySet<string>): string[] {
  return (keysOf(objects, 'ConfigMap', name) ?? [])
    .filter((key) => ![...apps].some((app) => isKnownVariable(app, key)))
    .map((key) => `ConfigMap ${name}: sets ${key}, which none of ${[...apps].join(', ')} reads`);
}

function sharedSettings({ envFrom = [] }: Container): string[] {
  return envFrom.flatMap(({ configMapRef }) => (configMapRef ? [configMapRef.name] : []));
}
