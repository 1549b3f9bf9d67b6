import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT_DIR } from '../../tools/paths.ts';
import { queriesOf, readDashboards } from './dashboards.ts';
import { CONFIG_FILE, PROMETHEUS_DIR, shorten, writeShortenedConfig } from './rules.ts';

const server = process.env.PROMETHEUS_BIN;
// The run has found out whether there is a Prometheus here.
const describePrometheus = server ? describe : describe.skip;

const RUNBOOKS = join(ROOT_DIR, 'docs', 'runbooks');

const promtool = (...args: string[]) => promisify(execFile)(join(dirname(server ?? ''), 'promtool'), args);

/** Alerts as they are written: a name, then everything up to the next rule. */
function alerts(): { name: string; text: string }[] {
  const rules = readFileSync(join(PROMETHEUS_DIR, 'rules', 'alerts.yml'), 'utf8');
  return rules
    .split(/^ {6}- alert: /m)
    .slice(1)
    .map((text) => ({ name: text.slice(0, text.indexOf('\n')), text }));
}

describe('rules', () => {
  it('of every alert name severity, summary, description and a runbook that is there', () => {
    expect(alerts().length).toBeGreaterThan(15);
    for (const { name, text } of alerts()) {
      for (const field of [
        'severity: (critical|warning)',
        'summary: .',
        'description: .',
        'runbook_url: .',
      ]) {
        expect(`${name} ${text}`).toMatch(new RegExp(`^ *(labels: \\{ )?${field}`, 'm'));
      }
      const runbook = /runbook_url: (\S+)/.exec(text)?.[1] ?? '';
      expect([name, existsSync(join(ROOT_DIR, runbook))]).toEqual([name, true]);
    }
  });

  it('have a runbook for each alert, which says what it means, where to look and what to do, and no other', () => {
    const files = readdirSync(RUNBOOKS).filter((name) => name.endsWith('.md') && name !== 'README.md');
    const pages = files.map((file) => readFileSync(join(RUNBOOKS, file), 'utf8'));
    const titles = pages.map((page) => /^# (\w+)$/m.exec(page)?.[1]);
    expect(titles.toSorted()).toEqual([...new Set(alerts().map(({ name }) => name))].toSorted());
    for (const page of pages) {
      const parts = page.split(/^## (.+)$/m);
      expect([parts[1], parts[3], parts[5]]).toEqual(['What it means', 'Look here', 'Do this']);
      for (const body of [parts[2], parts[4], parts[6]]) expect(body?.trim().length).toBeGreaterThan(20);
    }
  });

  it('take a fraction of their time in a test, and keep their names and thresholds', () => {
    const rules = 'record: a:rate5m\nexpr: rate(x[5m]) > 60 and y[1h] offset 10m\nfor: 1m\n';
    expect(shorten(rules, 15)).toBe(
      'record: a:rate5m\nexpr: rate(x[20000ms]) > 60 and y[240000ms] offset 40000ms\nfor: 4000ms\n',
    );
  });
});

describePrometheus('Prometheus', () => {
  let directory: string;

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'slipstream-rules-'));
  });

  afterAll(() => rm(directory, { recursive: true, force: true }));

  it('takes the configuration and the rules, also those that a test shortens', async () => {
    const targets = { 'order-service': '127.0.0.1:1' };
    for (const file of [CONFIG_FILE, writeShortenedConfig(directory, { targets, intervalMs: 1_000 })]) {
      const { stdout } = await promtool('check', 'config', file);
      expect(stdout).toContain('2 rule files found');
    }
  });

  it('finds that every alert fires when it should, and only then', async () => {
    const file = join(PROMETHEUS_DIR, 'tests', 'alerts.yml');
    const tests = readFileSync(file, 'utf8');
    for (const { name } of alerts()) expect(tests).toContain(`alertname="${name}"`);
    const { stdout } = await promtool('test', 'rules', file);
    expect(stdout).toContain('SUCCESS');
  }, 240_000);

  it('understands every query of every dashboard', async () => {
    const rules = readDashboards().flatMap((dashboard) =>
      queriesOf(dashboard, '5m').map(({ expr }, index) => {
        const record = `${dashboard.uid.replaceAll('-', '_')}:${index}`;
        return { record, expr };
      }),
    );
    const file = join(directory, 'queries.json');
    // YAML is a superset of JSON.
    writeFileSync(file, JSON.stringify({ groups: [{ name: 'queries', rules }] }));
    const { stdout } = await promtool('check', 'rules', file);
    expect(stdout).toContain(`${rules.length} rules found`);
  });
});
