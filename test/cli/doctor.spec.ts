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

  const serviceUrls = () => [
    '--service-urls',
    `http://127.0.0.1:${(metrics.address() as AddressInfo).port}/,`,
  ];
  const examine = async (args: readonly string[], env: NodeJS.ProcessEnv = {}) => {
    const { code, stdout } = await commands.run(['doctor', '--json', ...args], env);
    const { data } = JSON.parse(stdout) as { data: { findings: Finding[] } };
    const of = (check: string) => data.findings.filter((finding) => finding.check === check);
    return { code, of };
  };
  const examineAll = (env?: NodeJS.ProcessEnv) =>
    examine(['--monitor-url', commands.monitorUrl, ...serviceUrls()], env);

  beforeAll(async () => {
    commands = await CommandLine.start();
    await once(metrics.listen(0, '127.0.0.1'), 'listening');
  }, 300_000);

  afterAll(async () => {
    metrics.close();
    await commands.stop();
  });

  it('is content with a server and a relay that do as they should, but not with nothing at all', async () => {
    const { code, of } = await examineAll();
    expect(code).toBe(0);
    expect(of('versions')).toHaveLength(1);
    expect(of('services')).toMatchObject([{ verdict: 'good' }]);
    expect(of('replicas')).toMatchObject([{ verdict: 'unknown' }]);
    expect(of('drift')).toMatchObject([
      {
        verdict: 'warning',
        found: expect.stringMatching(/^stream .* is created for .*; and \d+ more \(safe\)/),
      },
    ]);
  });

  it('finds a single replica that a power cut can empty, and a relay that is late, and ends with 3', async () => {
    const nc = await connect({ servers: commands.natsUrl });
    await (await jetstreamManager(nc)).streams.add({ name: 'ALONE', subjects: ['alone'] });
    await nc.close();
    age = 86_400;
    const { code, of } = await examineAll();
    age = 0;
    expect(of('replicas')).toMatchObject([
      { verdict: 'warning', found: expect.stringMatching(/^ALONE has fewer than 3 replicas/) },
    ]);
    expect(of('sync')).toMatchObject([
      {
        verdict: 'warning',
        found: expect.stringMatching(/^A power cut can lose what was acknowledged within the last 120 s/),
      },
    ]);
    expect(of('duplicate window')).toMatchObject([
      { verdict: 'problem', found: expect.stringMatching(/^The oldest event of slow that waits/) },
    ]);
    expect(code).toBe(3);
  });

  it('asks the database, and says when it is not there', async () => {
    const asked = await examineAll({ DATABASE_URL: process.env.DATABASE_URL });
    // The tests' own need not survive anything.
    const isFsyncOff = asked.of('database').some(({ found }) => found.startsWith('fsync is off'));
    expect(isFsyncOff).toBe(await isFsyncOffByItself());
    const away = await examineAll({ DATABASE_URL: 'postgres://nobody:secret@127.0.0.1:1/none' });
    expect(away.of('database')).toMatchObject([
      { verdict: 'problem', found: 'PostgreSQL cannot be reached.' },
    ]);
    expect(away.code).toBe(3);
  });

  it('says what it could not look at, instead of that it is well', async () => {
    const { of } = await examine([
      '--monitor-url',
      'http://127.0.0.1:1',
      '--service-urls',
      'http://127.0.0.1:1',
    ]);
    expect(['sync', 'services', 'duplicate window', 'ack wait', 'database'].map(of)).toMatchObject(
      Array.from({ length: 5 }, () => [{ verdict: 'unknown' }]),
    );
  });

  it('refuses addresses that are none, and repeats no password', async () => {
    const bare = await commands.run(['doctor', '--monitor-url', 'localhost:8222']);
    expect([bare.code, bare.stderr]).toEqual([
      2,
      expect.stringContaining('the address of the monitoring is no URL'),
    ]);
    const secret = await commands.run(['doctor', '--service-urls', 'http://user:hunter2@localhost']);
    expect([secret.code, secret.stdout + secret.stderr]).toEqual([2, expect.not.stringContaining('hunter2')]);
  });
});

async function isFsyncOffByItself(): Promise<boolean> {
  const client = new pg.Client(process.env.DATABASE_URL);
  await client.connect();
  const { rows } = await client.query<{ fsync: string }>('SHOW fsync');
  await client.end();
  return rows[0]?.fsync === 'off';
}
