import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import pg from 'pg';
import { CommandLine } from './command-line.ts';

interface Finding {
  readonly check: string;
  readonly verdict: string;
  readonly found: string;
}

// Every command is a process that loads its libraries, also on a machine that does something else.
jest.setTimeout(240_000);

describe('the doctor', () => {
  let commands: CommandLine;
  /** What a service would measure; a real one cannot be made to wait a day for its broker. */
  const metrics = createServer((_, response) =>
    response.end(`outbox_oldest_age_seconds{service="slow"} ${age}\n`),
  );
  let age = 0;

  const examine = async (...args: string[]) => {
    const { code, stdout } = await commands.run(['doctor', '--json', ...args], {
      DATABASE_URL: process.env.DATABASE_URL,
    });
    const { data } = JSON.parse(stdout) as { data: { findings: Finding[] } };
    const of = (check: string) => data.findings.filter((finding) => finding.check === check);
    return { code, of };
  };

  beforeAll(async () => {
    commands = await CommandLine.start();
    await once(metrics.listen(0, '127.0.0.1'), 'listening');
  }, 300_000);

  afterAll(async () => {
    metrics.close();
    await commands.stop();
  });

  /** As in tests, whose database need not survive anything. */
  const isFsyncOff = async () => {
    const client = new pg.Client(process.env.DATABASE_URL);
    await client.connect();
    const { rows } = await client.query<{ fsync: string }>('SHOW fsync');
    await client.end();
    return rows[0]?.fsync === 'off';
  };
  const urls = () => ['--metrics-urls', `http://127.0.0.1:${(metrics.address() as AddressInfo).port}`];

  it('looks at real servers: versions, replicas, syncs and drift', async () => {
    const { code, of } = await examine('--monitor-url', commands.monitorUrl, ...urls());
    expect(of('versions')).toMatchObject([{ verdict: 'good' }]);
    expect(of('database').some(({ found }) => found.startsWith('fsync is off'))).toBe(await isFsyncOff());
    expect(of('sync')).toMatchObject([
      { verdict: 'good', found: expect.stringContaining('before they are acknowledged') },
    ]);
    expect(of('drift')).toMatchObject([
      {
        verdict: 'warning',
        found: expect.stringMatching(/^stream .* is created for .*; and \d+ more \(safe\)/),
      },
    ]);
    expect(code).toBe(of('database').some(({ verdict }) => verdict === 'problem') ? 3 : 0);
  });

  it('finds a single replica that a power cut can empty, and a relay that is late, and ends with 3', async () => {
    const nc = await connect({ servers: commands.natsUrl });
    await (await jetstreamManager(nc)).streams.add({ name: 'ALONE', subjects: ['alone'] });
    await nc.close();
    age = 86_400;
    const { code, of } = await examine('--monitor-url', commands.monitorUrl, ...urls());
    expect(of('replicas')).toMatchObject([
      { verdict: 'warning', found: expect.stringMatching(/^ALONE has fewer than 3 replicas/) },
    ]);
    expect(of('sync')).toMatchObject([
      { verdict: 'warning', found: 'A power cut can lose what was acknowledged within the last 120 s.' },
    ]);
    expect(of('duplicate window')).toMatchObject([
      {
        verdict: 'problem',
        found: 'Events of slow wait up to 86000 s for their stream, which knows ids for 120 s.',
      },
    ]);
    expect(code).toBe(3);
  });

  it('says what it could not look at, instead of that it is well', async () => {
    const { of } = await examine(
      '--monitor-url',
      'http://127.0.0.1:1',
      '--metrics-urls',
      'http://127.0.0.1:1',
    );
    expect([of('sync'), of('duplicate window'), of('ack wait')]).toMatchObject(
      Array.from({ length: 3 }, () => [{ verdict: 'unknown' }]),
    );
  });
});
