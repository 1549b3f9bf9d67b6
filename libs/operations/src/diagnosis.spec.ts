import { describe, expect, it } from '@jest/globals';
import { diagnose, type CheckName } from './diagnosis.js';
import { readMetrics } from './metrics-text.js';
import type { StreamFacts, SystemFacts } from './system-facts.js';

const stream = (facts: Partial<StreamFacts> = {}): StreamFacts => ({
  name: 'ORDERS',
  replicas: 3,
  lacking: [],
  duplicateWindowMs: 120_000,
  ...facts,
});

const METRICS = `
# TYPE outbox_oldest_age_seconds gauge
outbox_oldest_age_seconds{service="order-service"} 0
jetstream_handler_duration_seconds_bucket{le="1",stream="ORDERS",consumer="order-intake"} 99
jetstream_handler_duration_seconds_bucket{le="+Inf",stream="ORDERS",consumer="order-intake"} 100
`;
const service = (metrics = METRICS) => ({ url: 'http://localhost:3001', samples: readMetrics(metrics) });

const SOUND: SystemFacts = {
  serverVersion: '2.12.1',
  streams: [stream()],
  consumers: [{ stream: 'ORDERS', name: 'order-intake', ackWaitMs: 30_000 }],
  monitor: { url: 'http://localhost:8222', sync: { isAlways: false, intervalMs: 120_000 } },
  services: [service()],
  database: { versionNumber: 180_004, fsync: 'on', synchronousCommit: 'on' },
  drift: [],
};

const findings = (check: CheckName, facts: Partial<SystemFacts>) =>
  diagnose({ ...SOUND, ...facts }).filter((finding) => finding.check === check);
const verdicts = (check: CheckName, facts: Partial<SystemFacts>) =>
  findings(check, facts).map(({ verdict }) => verdict);

describe('the diagnosis of a system', () => {
  it('looks at everything and is content with what is sound', () => {
    expect(diagnose(SOUND).map(({ check, verdict, nextStep }) => [check, verdict, nextStep])).toEqual(
      ['versions', 'database', 'replicas', 'sync', 'services', 'duplicate window', 'ack wait', 'drift'].map(
        (check) => [check, 'good', ''],
      ),
    );
  });

  it.each([
    ['2.9.25', 'problem'],
    ['2.10.29', 'warning'],
    ['2.12.0', 'good'],
    ['3.0.0', 'good'],
    ['', 'problem'],
  ])('of nats-server %p: %s', (serverVersion, verdict) => {
    expect(verdicts('versions', { serverVersion })).toEqual([verdict]);
  });

  it('names each setting of the database by which something accepted can be lost', () => {
    const database = { versionNumber: 140_011, fsync: 'off', synchronousCommit: 'off' };
    expect(findings('database', { database }).map(({ found }) => found)).toEqual([
      'PostgreSQL is 14.',
      'fsync is off: a power cut can destroy the database.',
      'synchronous_commit is off: orders that were accepted can be lost in a crash.',
    ]);
    expect(verdicts('database', { database: 'unnamed' })).toEqual(['unknown']);
    expect(verdicts('database', { database: 'unreachable' })).toEqual(['problem']);
  });

  it('tells replicas that are away from replicas that were never asked for', () => {
    const streams = [
      stream({ name: 'ONE_AWAY', lacking: ['nats-2'] }),
      stream({ name: 'TWO_AWAY', lacking: ['nats-2', 'nats-3'] }),
      ...['A', 'B', 'C', 'D'].map((name) => stream({ name, replicas: 1 })),
    ];
    expect(findings('replicas', { streams })).toMatchObject([
      { verdict: 'warning', found: 'ONE_AWAY lacks its replicas on nats-2: offline, or far behind.' },
      { verdict: 'problem', found: 'TWO_AWAY lacks its replicas on nats-2, nats-3: offline, or far behind.' },
      { verdict: 'warning', found: expect.stringMatching(/^A, B, C and 1 more have fewer than 3 replicas/) },
    ]);
    expect(verdicts('replicas', { streams: [] })).toEqual(['unknown']);
  });

  it('wants messages on the disk, or on other servers, before they are acknowledged', () => {
    const streams = [stream({ replicas: 1 })];
    const sync = (isAlways: boolean) => ({ url: 'http://a', sync: { isAlways, intervalMs: 120_000 } });
    expect(findings('sync', { streams, monitor: sync(false) })).toMatchObject([
      {
        verdict: 'warning',
        found: 'A power cut can lose what was acknowledged within the last 120 s, by http://a.',
      },
    ]);
    expect(verdicts('sync', { streams: [], monitor: sync(false) })).toEqual(['warning']);
    expect(verdicts('sync', { streams, monitor: sync(true) })).toEqual(['good']);
    expect(verdicts('sync', { monitor: sync(false) })).toEqual(['good']);
    expect(verdicts('sync', { monitor: { url: '', sync: undefined } })).toEqual(['unknown']);
  });

  it.each([
    [59, 'good'],
    [61, 'warning'],
    [121, 'problem'],
  ])('of an event that waits for %d s where ids are known for 120 s: %s', (age, verdict) => {
    const services = [service(`outbox_oldest_age_seconds{service="order-service"} ${age}`)];
    expect(verdicts('duplicate window', { services })).toEqual([verdict]);
  });

  it('does not take for quick what took longer than histograms measure', () => {
    const delay = (bound: string, count: number) => `outbox_delay_seconds_bucket{le="${bound}"} ${count}\n`;
    const late = [service(METRICS + delay('30', 1) + delay('+Inf', 2))];
    expect(findings('duplicate window', { services: late })).toMatchObject([
      { verdict: 'warning', found: expect.stringContaining('p99 is longer than is measured') },
    ]);
    const quick = [service(METRICS + delay('30', 2) + delay('+Inf', 2))];
    expect(verdicts('duplicate window', { services: quick })).toEqual(['good']);
  });

  it('takes no stream of a store for one of events', () => {
    const streams = [stream(), stream({ name: 'KV_a', duplicateWindowMs: 1 })];
    const services = [service('outbox_oldest_age_seconds{service="order-service"} 1')];
    expect(verdicts('duplicate window', { streams, services })).toEqual(['good']);
  });

  it('says of which service it knows nothing, and nothing good when it knows of none', () => {
    const silent = { url: 'http://localhost:3002/metrics', samples: undefined };
    expect(findings('services', { services: [service(), silent] })).toMatchObject([
      { verdict: 'unknown', found: 'No metrics at http://localhost:3002/metrics.' },
    ]);
    for (const services of [[silent], [service('<html>')]]) {
      expect(verdicts('duplicate window', { services })).toEqual(['unknown']);
      expect(verdicts('ack wait', { services })).toEqual(['unknown']);
    }
  });

  it('names the consumer whose handler takes more than half of its ack wait, divided or not', () => {
    const consumers = ['order-intake-p1', 'order-intake', 'order-payments'].map((name) => ({
      stream: 'ORDERS',
      name,
      ackWaitMs: 1_900,
    }));
    expect(findings('ack wait', { consumers }).map(({ verdict, found }) => [verdict, found])).toEqual(
      ['order-intake-p1', 'order-intake'].map((name) => [
        'warning',
        expect.stringMatching(`^One in a hundred messages of ${name} on ORDERS takes about 1 s or more`),
      ]),
    );
  });

  it('tells what it learned when the server cannot tell of all streams', () => {
    expect(findings('drift', { drift: { failure: 'temporarily unavailable' } })).toMatchObject([
      { verdict: 'problem', found: 'The server could not tell of all streams: temporarily unavailable' },
    ]);
  });

  it('sorts what differs from the declaration by what is to be done about it', () => {
    const change = (changeClass: 'safe' | 'refused', description: string) =>
      ({ class: changeClass, action: 'update', stream: 'ORDERS', description }) as const;
    const drift = [change('safe', 'a is b'), change('refused', 'c is d'), change('safe', 'e is f')];
    expect(findings('drift', { drift }).map(({ verdict, found }) => [verdict, found])).toEqual([
      ['problem', 'c is d (refused).'],
      ['warning', 'a is b; and 1 more (safe).'],
    ]);
  });
});
