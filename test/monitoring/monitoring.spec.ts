import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect } from '@nats-io/transport-node';
import { Redrives } from '@slipstream/operations';
import { uniqueName, waitFor } from '@slipstream/testing';
import { mkdtempSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { workloadsOf } from '../../tools/deploy/kube-object.ts';
import { readObjects } from '../../tools/deploy/kustomize.ts';
import { mebibytes } from '../../tools/deploy/workload-policies.ts';
import { ROOT_DIR } from '../../tools/paths.ts';
import { claimFreePorts, type ClaimedPort } from '../../tools/process/free-ports.ts';
import { guard } from '../../tools/process/guard.ts';
import { startPrometheus } from '../../tools/servers/prometheus.ts';
import type { RunningServer } from '../../tools/servers/running-server.ts';
import { APPS } from '../../tools/stack/apps.ts';
import { Journey } from '../journeys/journey.ts';
import { adapterQuery, desiredReplicas, readAdapterRules, readAutoscalers } from './autoscaling.ts';
import { queriesOf, readDashboards } from './dashboards.ts';
import { PrometheusApi } from './prometheus-api.ts';
import { writeShortenedConfig } from './rules.ts';

const server = process.env.PROMETHEUS_BIN ?? '';
// The run has found out whether there is a Prometheus here.
const describePrometheus = server ? describe : describe.skip;

/** Between scrapes and between evaluations; windows are shorter by as much, so that two minutes are eight seconds. */
const INTERVAL_MS = 1_000;
const RATE_INTERVAL = '5s';
/** For an alert to fire or to clear; windows and `for` take some fifteen seconds of it. */
const PATIENCE_MS = 120_000;

const SERVICES = ['order-service', 'payment-service', 'inventory-service', 'audit-service'];
/** A stream without a limit reports none. */
const LIMITED = Object.fromEntries(SERVICES.map((name) => [name, { STREAM_MAX_BYTES: '1073741824' }]));

const order = () => ({
  customerId: 'cust-1',
  currency: 'EUR',
  lines: [{ sku: uniqueName('sku'), quantity: 1, unitPriceMinor: 1_250 }],
});

/** Series that an expression reads: names with their matchers, without functions, keywords, labels and numbers. */
function selectorsOf(expr: string): string[] {
  const bare = expr.replace(/\b(by|on|without|ignoring|group_left|group_right) *\([^)]*\)/g, ' ');
  const found = bare.match(/[a-z_][\w:]*(\{[^}]*\})?(?![\w:]*\()/g) ?? [];
  return found.filter((selector) => /[_:{]/.test(selector) || selector === 'up');
}

async function discardAll(servers: string, stream: string): Promise<void> {
  const nc = await connect({ servers });
  await new Redrives(nc).discardAll({ stream }, { by: 'test', reason: 'not wanted' });
  await nc.close();
}

describePrometheus('a Prometheus that scrapes the running system', () => {
  let journey: Journey;
  let prometheus: RunningServer;
  let api: PrometheusApi;
  let directory: string;
  let port: ClaimedPort;
  let startedAt: number;

  const place = (count: number) =>
    Promise.all(Array.from({ length: count }, () => journey.placeOrder(order(), uniqueName('key'))));
  const fires = (name: string, labels: Record<string, string> = {}) =>
    waitFor(`${name} to fire`, () => api.firing(name, labels), PATIENCE_MS);
  const clears = (name: string, labels: Record<string, string> = {}) =>
    waitFor(`${name} to clear`, async () => !(await api.firing(name, labels)), PATIENCE_MS);

  beforeAll(async () => {
    journey = await Journey.start(LIMITED);
    directory = mkdtempSync(join(tmpdir(), 'slipstream-prometheus-'));
    guard.removeAtExit(directory);
    const [claimed] = await claimFreePorts(1);
    if (!claimed) throw new Error('no port is free');
    port = claimed;
    const targets = Object.fromEntries(
      Object.entries(journey.stack.urls).map(([service, url]) => [service, new URL(url).host]),
    );
    const configFile = writeShortenedConfig(directory, { targets, intervalMs: INTERVAL_MS });
    startedAt = Date.now();
    prometheus = await startPrometheus({ server, configFile, port: port.port, directory });
    api = new PrometheusApi(prometheus.url);
  }, 300_000);

  afterAll(async () => {
    await prometheus?.stop();
    await journey?.end();
    port?.release();
    await rm(directory, { recursive: true, force: true });
    guard.keep(directory);
  }, 90_000);

  it('finds services that say what they have started with and what they need', async () => {
    type Answer = { status: string; details: Record<string, { consumers?: string[] }> };
    const startup = await journey.read<Answer>('payment-service', '/health/startup');
    expect(startup).toMatchObject({
      status: 'ok',
      details: { migrations: { status: 'up' }, topology: { status: 'up' } },
    });
    expect(startup.details['topology']?.consumers).toContain('ORDERS/payment-orders');
    const ready = await journey.read<Answer>('payment-service', '/health/ready');
    expect(Object.keys(ready.details)).toEqual(['database', 'nats', 'consumers', 'outbox']);
  });

  it('reaches every service and sees an order go through all stages', async () => {
    await waitFor(
      'every target to be scraped',
      async () => !(await api.failedTargets()).join('; '),
      PATIENCE_MS,
    );
    const [orderId] = await place(1);
    await journey.settled(orderId ?? '');
    const settled = 'order_settlement_duration_seconds_count{status="confirmed"}';
    await waitFor('the order to be measured', async () => (await api.value(settled)) === 1, PATIENCE_MS);
    for (const alert of [
      'ServiceDown',
      'PaymentGatewayDown',
      'ConsumerStalled',
      'DeadLetters',
      'OutboxStuck',
    ]) {
      expect([alert, await api.firing(alert)]).toEqual([alert, undefined]);
    }
  }, 240_000);

  it('raises an alarm while the payment gateway is down, and ends it', async () => {
    await journey.setFaults({ mode: 'down' });
    await place(40);
    const alert = await fires('PaymentGatewayDown', { service: 'payment-service' });
    expect(alert).toMatchObject({
      labels: { severity: 'critical' },
      annotations: { runbook_url: 'docs/runbooks/payment-gateway-down.md' },
    });
    // The orders wait because the service has paused its consumer, and that is no second alarm.
    expect(await api.firing('ConsumerStalled', { consumer: 'payment-orders' })).toBeUndefined();
    await journey.setFaults({ mode: 'ok' });
    await clears('PaymentGatewayDown');
  }, 300_000);

  it('raises an alarm while nobody works on a consumer, whose backlog other services tell, and ends it', async () => {
    await waitFor('the streams to be quiet', () => journey.isQuiet('ORDERS'), PATIENCE_MS);
    await journey.stack.halt('inventory-service');
    await place(7);
    await fires('ConsumerStalled', { consumer: 'inventory-orders' });
    await fires('ServiceDown', { service: 'inventory-service' });
    const pending = 'nats_consumer_pending_messages{consumer="inventory-orders"}';
    expect(await api.value(`max(${pending})`)).toBe(7);
    expect(await api.value(`count(${pending})`)).toBe(SERVICES.length - 1);
    await journey.stack.resume('inventory-service');
    await clears('ConsumerStalled', { consumer: 'inventory-orders' });
    await clears('ServiceDown');
  }, 300_000);

  it('tells an autoscaler of a backlog, which then wants an instance for each hundred messages', async () => {
    const [rule] = readAdapterRules();
    const autoscaler = readAutoscalers().find(({ target }) => target === 'payment-service');
    if (!rule || !autoscaler) throw new Error('payment-service is not scaled');
    const seen = () =>
      Promise.all(autoscaler.metrics.map((metric) => api.values(adapterQuery(rule, metric))));
    await waitFor('the streams to be quiet', () => journey.isQuiet('ORDERS'), PATIENCE_MS);
    await waitFor('that to be scraped', async () => (await seen()).join() === '0', PATIENCE_MS);
    expect(desiredReplicas(autoscaler, await seen(), 2)).toBe(2);
    await journey.stack.halt('payment-service');
    await place(345);
    // Once, although three services report it.
    await waitFor('the backlog to be scraped', async () => (await seen()).join() === '345', PATIENCE_MS);
    expect(await api.values(rule.seriesQuery)).not.toEqual([]);
    expect(desiredReplicas(autoscaler, await seen(), 2)).toBe(4);
    await journey.stack.resume('payment-service');
    await waitFor('the backlog to be worked off', async () => (await seen()).join() === '0', PATIENCE_MS);
    expect(desiredReplicas(autoscaler, await seen(), 4)).toBe(2);
  }, 300_000);

  it('raises an alarm when messages are dead-lettered, by reason, and ends it when they are discarded', async () => {
    await journey.publishBare('orders.created.v1', `{"message_id": "${uniqueName('poison')}", oops`);
    await fires('DeadLetters', { stream: 'ORDERS' });
    const counted = 'sum(jetstream_dead_lettered_total{stream="ORDERS", reason="CONTRACT_MALFORMED"})';
    await waitFor('them to be counted', async () => (await api.value(counted)) === 3, PATIENCE_MS);
    expect(await api.value('max(dead_letters_oldest_age_seconds{stream="ORDERS"})')).toBeGreaterThan(0);
    await discardAll(journey.stack.natsUrl, 'ORDERS');
    await clears('DeadLetters');
  }, 300_000);

  it('raises an alarm while an outbox cannot publish, and ends it', async () => {
    await journey.stack.halt('nats');
    await place(5);
    await fires('OutboxStuck', { service: 'order-service' });
    await fires('NatsDisconnected', { service: 'order-service' });
    expect(await api.value('max(outbox_pending{service="order-service"})')).toBeGreaterThanOrEqual(5);
    await journey.stack.resume('nats');
    await clears('OutboxStuck');
    await clears('NatsDisconnected');
    await waitFor('the streams to be quiet', () => journey.isQuiet('ORDERS'), PATIENCE_MS);
  }, 300_000);

  it('sees no app need more memory than its pod may use', async () => {
    const limits = new Map(
      workloadsOf(readObjects(readFileSync(join(ROOT_DIR, 'k8s', 'slipstream.yaml'), 'utf8'))).map(
        ({ object, pod }) => [object.metadata.name, pod.containers[0]?.resources?.limits?.memory ?? ''],
      ),
    );
    for (const { name } of APPS) {
      const most = await api.value(`max_over_time(process_resident_memory_bytes{service="${name}"}[1h])`);
      expect([name, most]).toEqual([name, expect.any(Number)]);
      expect([name, (most ?? 0) / 2 ** 20 < mebibytes(limits.get(name) ?? '')]).toEqual([name, true]);
    }
  });

  it('scrapes the metrics that the reference names, and no others', async () => {
    const page = readFileSync(join(ROOT_DIR, 'docs', 'reference', 'metrics.md'), 'utf8');
    const described = [...page.matchAll(/^\| `(\w+)/gm)].map(([, name]) => name ?? '');
    const scraped = (await api.metricNames())
      .filter((name) => !/^(up$|scrape_|ALERTS|nodejs_|process_)|:/.test(name))
      .map((name) => name.replace(/_(bucket|sum|count)$/, ''));
    // Counted from the first publish that fails.
    expect([...new Set([...scraped, 'jetstream_publish_errors_total'])].toSorted()).toEqual(
      described.toSorted(),
    );
  });

  it('evaluates every rule, and finds what it asks for', async () => {
    const rules = await api.rules();
    expect(rules.filter(({ health }) => health !== 'ok')).toEqual([]);
    const missing: string[] = [];
    for (const { name, type, query } of rules) {
      const wanted = type === 'recording' ? [name] : selectorsOf(query);
      expect(wanted.length).toBeGreaterThan(0);
      for (const selector of wanted) {
        const series = await api.seriesSince(startedAt, selector);
        if (series.length === 0) missing.push(`${name}: ${selector}`);
      }
    }
    expect(missing).toEqual([]);
  }, 120_000);

  it.each(readDashboards().map((dashboard) => [dashboard.title, dashboard] as const))(
    'has data for every panel of %s',
    async (_, dashboard) => {
      const empty: string[] = [];
      for (const { title, expr } of queriesOf(dashboard, RATE_INTERVAL)) {
        if ((await api.seriesSince(startedAt, expr)).length === 0) empty.push(`${title}: ${expr}`);
      }
      expect(empty).toEqual([]);
    },
    120_000,
  );
});
