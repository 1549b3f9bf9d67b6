import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DATA_DIR, ROOT_DIR } from '../paths.ts';
import { findEnvironmentProblems } from './environment-policies.ts';
import { findEgressProblems } from './egress-policies.ts';
import { findFileProblems } from './file-policies.ts';
import type { KubeObject } from './kube-object.ts';
import { render, renderYaml } from './kustomize.ts';
import { renderNack } from './nack.ts';
import { findUnscrapedJobs, renderRules } from './prometheus-rules.ts';
import { findReferenceProblems } from './reference-policies.ts';
import { findSchemaProblems } from './schemas.ts';
import { findWorkloadProblems } from './workload-policies.ts';

const SOURCE_OF_PLAIN = 'k8s/overlays/dev';

/** Files that are made from others, and from what. */
const GENERATED: Readonly<Record<string, () => Promise<string>>> = {
  'k8s/slipstream.yaml': async () => `${header('overlays/dev')}${await renderYaml(SOURCE_OF_PLAIN)}`,
  'k8s/components/nack/streams.yaml': async () => `${header('what the services declare')}${renderNack()}`,
  'k8s/components/prometheus/rules.yaml': async () => `${header('docker/prometheus/rules')}${renderRules()}`,
};

/** Kustomizations that are whole: all that their objects name is in them. */
const OVERLAYS = [SOURCE_OF_PLAIN, 'k8s/overlays/production'];
/** What is applied beside an overlay. */
const BESIDE = ['k8s/operator'];
/** Those that an overlay may add. */
const COMPONENTS = ['keda', 'nack', 'prometheus'];

/** @returns the files that were written */
export async function writeGenerated(): Promise<string[]> {
  for (const [file, make] of Object.entries(GENERATED)) writeFileSync(join(ROOT_DIR, file), await make());
  return Object.keys(GENERATED);
}

export async function checkManifests(): Promise<string[]> {
  const problems: string[] = [];
  for (const directory of OVERLAYS) {
    problems.push(
      ...(await findProblems(await render(directory))).map((problem) => `${directory}: ${problem}`),
    );
  }
  const parts = [
    ...BESIDE.map((directory) => [directory, () => render(directory)] as const),
    ...COMPONENTS.map((name) => [`k8s/components/${name}`, () => renderWithBase(name)] as const),
  ];
  for (const [directory, renderPart] of parts) {
    const objects = await renderPart();
    const found = (await Promise.all(objects.map(findSchemaProblems))).flat();
    found.push(...findWorkloadProblems(objects), ...findEnvironmentProblems(objects));
    problems.push(...found.map((problem) => `${directory}: ${problem}`));
  }
  for (const [file, make] of Object.entries(GENERATED)) {
    if (readFileSync(join(ROOT_DIR, file), 'utf8') !== (await make())) {
      problems.push(`${file} is out of date; run "npm run deploy -- render"`);
    }
  }
  return problems;
}

/** A component is nothing by itself. */
async function renderWithBase(component: string): Promise<KubeObject[]> {
  const directory = join('.data', 'deploy', `component-${component}`);
  mkdirSync(join(ROOT_DIR, directory), { recursive: true });
  const kustomization = {
    resources: ['../../../k8s/base'],
    components: [`../../../k8s/components/${component}`],
  };
  writeFileSync(join(ROOT_DIR, directory, 'kustomization.yaml'), JSON.stringify(kustomization));
  try {
    return await render(directory);
  } finally {
    rmSync(join(DATA_DIR, 'deploy', `component-${component}`), { recursive: true });
  }
}

function header(source: string): string {
  return `# Made from ${source} by "npm run deploy -- render"; change that.\n`;
}

export async function findProblems(objects: readonly KubeObject[]): Promise<string[]> {
  const bySchema = await Promise.all(objects.map(findSchemaProblems));
  return [
    ...bySchema.flat(),
    ...findWorkloadProblems(objects),
    ...findReferenceProblems(objects),
    ...findEnvironmentProblems(objects),
    ...findFileProblems(objects),
    ...findEgressProblems(objects),
    ...findUnscrapedJobs(objects),
  ];
}
