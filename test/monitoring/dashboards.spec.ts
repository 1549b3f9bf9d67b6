import { describe, expect, it } from '@jest/globals';
import { readDashboards, type Dashboard, type Panel } from './dashboards.ts';

const BUILT_IN = new Set(['__rate_interval', '__all']);

const drawn = ({ panels }: Dashboard) => panels.filter(({ type }) => type !== 'row');

function overlap(a: Panel['gridPos'], b: Panel['gridPos']): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

describe('dashboards', () => {
  const dashboards = readDashboards();

  it('are an overview, JetStream, outbox and inbox, and the Node.js runtime, with ids of their own that stay', () => {
    expect(dashboards.map(({ uid }) => uid).toSorted()).toEqual([
      'slipstream-jetstream',
      'slipstream-node',
      'slipstream-outbox',
      'slipstream-overview',
    ]);
    for (const { id, schemaVersion, editable, file, uid } of dashboards) {
      expect({ id, schemaVersion, editable, file }).toEqual({
        id: null,
        schemaVersion: 39,
        editable: false,
        file: `${uid.replace('slipstream-', '')}.json`,
      });
    }
  });

  it('link to each other', () => {
    for (const { uid, links } of dashboards) {
      const others = dashboards.map((other) => `/d/${other.uid}`).filter((url) => url !== `/d/${uid}`);
      expect(links.map(({ url }) => url).toSorted()).toEqual(others.toSorted());
    }
  });

  it.each(dashboards.map((dashboard) => [dashboard.title, dashboard] as const))(
    '%s: every panel says what it shows, in which unit, and none lies over another',
    (_, dashboard) => {
      expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
      expect(dashboard.description).not.toBe('');
      for (const panel of drawn(dashboard)) {
        const unit = panel.fieldConfig?.defaults.unit ?? '';
        expect([panel.title, (panel.description ?? '').length > 20, unit !== '']).toEqual([
          panel.title,
          true,
          true,
        ]);
        expect(panel.targets?.length).toBeGreaterThan(0);
      }
      for (const [index, panel] of dashboard.panels.entries()) {
        const under = dashboard.panels
          .slice(index + 1)
          .find(({ gridPos }) => overlap(panel.gridPos, gridPos));
        expect([panel.title, under?.title]).toEqual([panel.title, undefined]);
        expect(panel.gridPos.x + panel.gridPos.w).toBeLessThanOrEqual(24);
      }
    },
  );

  it.each(dashboards.map((dashboard) => [dashboard.title, dashboard] as const))(
    '%s: queries go to the chosen data source, use every variable there is, and rates follow the zoom',
    (_, dashboard) => {
      const variables = dashboard.templating.list;
      expect(variables[0]).toMatchObject({ name: 'datasource', type: 'datasource' });
      const queried = variables.filter(({ type }) => type === 'query');
      for (const { name, allValue } of queried) expect([name, allValue]).toEqual([name, '.+']);
      const targets = drawn(dashboard).flatMap(({ datasource, targets: own = [] }) => {
        expect(datasource?.uid).toBe('${datasource}');
        return own;
      });
      for (const { expr, datasource } of targets) {
        expect(datasource.uid).toBe('${datasource}');
        // A fixed window would be empty for one who zooms in and blur for one who zooms out; hours are meant as they are.
        expect(expr.match(/\brate\([^[]+\[(?!\$__rate_interval)[^\]]*\]/)).toBeNull();
        expect(expr.match(/\[\d+[sm]\]/)).toBeNull();
      }
      const texts = [
        ...targets.map(({ expr }) => expr),
        ...variables.map(({ definition = '' }) => definition),
      ].join('\n');
      const used = new Set(
        [...texts.matchAll(/\$(\w+)/g)].map(([, name]) => name ?? '').filter((name) => !BUILT_IN.has(name)),
      );
      expect([...used, 'datasource'].toSorted()).toEqual(variables.map(({ name }) => name).toSorted());
    },
  );
});
