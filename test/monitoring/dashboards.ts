import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT_DIR } from '../../tools/paths.ts';

export interface Target {
  readonly refId: string;
  readonly expr: string;
  readonly datasource: { readonly uid: string };
}

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly datasource?: { readonly uid: string };
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } };
  readonly targets?: readonly Target[];
}

export interface Variable {
  readonly name: string;
  readonly type: string;
  readonly definition?: string;
  readonly allValue?: string;
}

export interface Dashboard {
  readonly file: string;
  readonly uid: string;
  readonly id: null;
  readonly title: string;
  readonly description: string;
  readonly schemaVersion: number;
  readonly editable: boolean;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly Variable[] };
  readonly links: readonly { readonly url: string }[];
}

const DIRECTORY = join(ROOT_DIR, 'docker', 'grafana', 'dashboards');

export function readDashboards(): Dashboard[] {
  return readdirSync(DIRECTORY).map((file) => ({
    ...(JSON.parse(readFileSync(join(DIRECTORY, file), 'utf8')) as Dashboard),
    file,
  }));
}

/** Queries of a dashboard as Grafana would send them with every variable at "All". */
export function queriesOf(
  { panels, templating }: Dashboard,
  rateInterval: string,
): { title: string; expr: string }[] {
  return panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ refId, expr }) => ({
      title: `${title} ${refId}`,
      expr: templating.list.reduce(
        (text, { name, allValue }) => text.replaceAll(`$${name}`, allValue ?? `$${name}`),
        expr.replaceAll('$__rate_interval', rateInterval),
      ),
    })),
  );
}
