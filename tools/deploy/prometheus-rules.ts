import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parse, stringify } from 'yaml';
import { CACHE_DIR, ROOT_DIR } from '../paths.ts';
import { findPrometheus } from '../servers/prometheus.ts';
import { runCommand } from '../servers/run-command.ts';
import { messageOf } from '../setup-error.ts';
import { selects, workloadsOf, type KubeObject, type Selector } from './kube-object.ts';

const DIRECTORY = join(ROOT_DIR, 'docker', 'prometheus');

/** The rules of docker/prometheus as objects of the Prometheus Operator. */
export function renderRules(): string {
  const files = globSync('rules/*.yml', { cwd: DIRECTORY }).toSorted();
  const objects = files.map((file) => ({
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'PrometheusRule',
    metadata: { name: `slipstream-${basename(file, '.yml')}` },
    spec: parse(readFileSync(join(DIRECTORY, file), 'utf8')) as object,
  }));
  return objects.map((object) => stringify(object, { lineWidth: 0 })).join('---\n');
}

/** What promtool finds wrong with the configuration and its rules. Without a promtool nothing is known, which CI does not put up with. */
export async function findPrometheusProblems(): Promise<string[]> {
  const found = await findPrometheus({ cacheDir: CACHE_DIR }).catch((error: unknown) => {
    if (process.env.CI) throw error;
    console.error(`the configuration of Prometheus is not checked: ${messageOf(error)}`);
  });
  if (!found) return [];
  return runCommand(found.promtool, ['check', 'config', join(DIRECTORY, 'prometheus.yml')]).then(
    () => [],
    (error: unknown) => [`docker/prometheus: ${messageOf(error)}`],
  );
}

/** Jobs that rules ask for and that no monitor scrapes pods as: their alerts would never fire. */
export function findUnscrapedJobs(objects: readonly KubeObject[]): string[] {
  const scraped = new Set(objects.filter(({ kind }) => kind === 'PodMonitor').flatMap(jobsOf(objects)));
  return objects
    .filter(({ kind }) => kind === 'PrometheusRule')
    .flatMap(({ metadata, spec }) =>
      [...JSON.stringify(spec).matchAll(/job=\\"([^"\\]+)/g)]
        .map(([, job = '']) => job)
        .filter((job) => !scraped.has(job))
        .map((job) => `PrometheusRule ${metadata.name}: asks for the job ${job}, which nothing scrapes`),
    );
}

/** The operator takes the job from a label of the pod, or else from the monitor itself. */
function jobsOf(objects: readonly KubeObject[]): (monitor: KubeObject) => string[] {
  return ({ metadata, spec }) => {
    const { selector, jobLabel } = spec as { selector: Selector; jobLabel?: string };
    const pods = workloadsOf(objects).filter(({ labels }) => selects(selector, labels));
    const own = `${metadata.namespace ?? 'default'}/${metadata.name}`;
    return pods.map(({ labels }) => (jobLabel && labels[jobLabel]) ?? own);
  };
}
