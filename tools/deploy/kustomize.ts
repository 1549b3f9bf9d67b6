import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { CACHE_DIR, ROOT_DIR } from '../paths.ts';
import { fetchDebianPackages } from '../servers/debian-package.ts';
import { runCommand } from '../servers/run-command.ts';
import type { KubeObject } from './kube-object.ts';

type Build = (directory: string) => Promise<string>;

let found: Promise<Build> | undefined;

/** What a kustomization comes to, as YAML. */
export async function renderYaml(directory: string): Promise<string> {
  found ??= findKustomize();
  return (await found)(join(ROOT_DIR, directory));
}

/** What a kustomization comes to, as objects. */
export async function render(directory: string): Promise<KubeObject[]> {
  return readObjects(await renderYaml(directory));
}

export function readObjects(yaml: string): KubeObject[] {
  return parseAllDocuments(yaml).map((document) => {
    if (document.errors[0]) throw document.errors[0];
    return document.toJS() as KubeObject;
  });
}

/** The program itself, or the one in kubectl, or the package of the distribution. */
async function findKustomize(): Promise<Build> {
  const programs: readonly (readonly [string, ...string[]])[] = [
    ['kustomize', 'build'],
    ['kubectl', 'kustomize'],
  ];
  for (const [program, ...args] of programs) {
    const works = await runCommand(program, [...args, '--help']).then(
      () => true,
      () => false,
    );
    if (works) return (directory) => runCommand(program, [...args, directory]);
  }
  const { directory: home } = await fetchDebianPackages({
    packages: ['kustomize'],
    cacheDir: join(CACHE_DIR, 'kustomize'),
  });
  return (directory) => runCommand(join(home, 'usr/bin/kustomize'), ['build', directory]);
}
