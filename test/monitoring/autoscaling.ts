import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import { ROOT_DIR } from '../../tools/paths.ts';

const COMPONENT = join(ROOT_DIR, 'k8s', 'components', 'prometheus');
/** Within which a HorizontalPodAutoscaler leaves things alone, unless the cluster is told otherwise. */
const TOLERANCE = 0.1;

export interface ExternalMetric {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** What there may be of it for each replica. */
  readonly averageValue: number;
}

export interface Autoscaler {
  readonly target: string;
  readonly minReplicas: number;
  readonly maxReplicas: number;
  readonly metrics: readonly ExternalMetric[];
}

/** A rule of the Prometheus Adapter: which series there are, and how a metric is asked for. */
export interface AdapterRule {
  readonly metric: string;
  readonly seriesQuery: string;
  readonly metricsQuery: string;
}

export function readAutoscalers(): Autoscaler[] {
  const text = readFileSync(join(COMPONENT, 'autoscalers.yaml'), 'utf8');
  return parseAllDocuments(text).map((document) => {
    const { spec } = document.toJS() as {
      spec: {
        scaleTargetRef: { name: string };
        minReplicas: number;
        maxReplicas: number;
        metrics: {
          external: {
            metric: { name: string; selector: { matchLabels: Record<string, string> } };
            target: { averageValue: string };
          };
        }[];
      };
    };
    const metrics = spec.metrics.map(({ external: { metric, target } }) => ({
      name: metric.name,
      labels: metric.selector.matchLabels,
      averageValue: Number(target.averageValue),
    }));
    const { minReplicas, maxReplicas } = spec;
    return { target: spec.scaleTargetRef.name, minReplicas, maxReplicas, metrics };
  });
}

export function readAdapterRules(): AdapterRule[] {
  const { rules } = parse(readFileSync(join(COMPONENT, 'adapter-values.yaml'), 'utf8')) as {
    rules: { external: { name: { as: string }; seriesQuery: string; metricsQuery: string }[] };
  };
  return rules.external.map(({ name, ...rule }) => ({ metric: name.as, ...rule }));
}

/** What the adapter asks Prometheus when an autoscaler asks for a metric with these labels. */
export function adapterQuery({ metricsQuery }: AdapterRule, { name, labels }: ExternalMetric): string {
  const matchers = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  return metricsQuery.replaceAll('<<.Series>>', name).replaceAll('<<.LabelMatchers>>', matchers.join(','));
}

/**
 * What a HorizontalPodAutoscaler of autoscaling/v2 wants of external metrics with a target by average: for each their sum by
 * the target, rounded up, unless that is too near to what there is; of all metrics the most; within the bounds.
 * @param values by metric, in their order, those of all series
 */
export function desiredReplicas(
  { minReplicas, maxReplicas, metrics }: Autoscaler,
  values: readonly (readonly number[])[],
  current: number,
): number {
  const wanted = metrics.map(({ averageValue }, index) => {
    const usage = (values[index] ?? []).reduce((sum, value) => sum + value, 0);
    const ratio = usage / (averageValue * current);
    return Math.abs(1 - ratio) <= TOLERANCE ? current : Math.ceil(usage / averageValue);
  });
  return Math.min(maxReplicas, Math.max(minReplicas, ...wanted));
}
