import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { uniqueName, waitFor } from '@slipstream/testing';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureCredentials } from '../../tools/nats-security/credentials.ts';
import { retireUserKey, rotateUserKey } from '../../tools/nats-security/user-key.ts';
import { runCommand } from '../../tools/servers/run-command.ts';
import { credentialsDir } from '../../tools/stack/stack-security.ts';
import { entryFileOf } from '../../tools/stack/units.ts';
import { connectAs, Journey } from './journey.ts';

const SERVICES = ['order-service', 'payment-service', 'inventory-service', 'audit-service'];
const ROLES = [...SERVICES, 'provisioner', 'operator', 'console'];

const order = (sku: string, quantity = 1) => ({
  customerId: 'cust-1',
  currency: 'EUR',
  lines: [{ sku, quantity, unitPriceMinor: 1_250 }],
});

describe('with TLS, a key for each service and narrow permissions', () => {
  let journey: Journey;

  /** Runs the command line in a role. */
  async function cli<T>(...[role = '', ...args]: string[]): Promise<T> {
    const env = {
      PATH: process.env.PATH,
      NATS_URL: journey.stack.natsUrl,
      DATABASE_URL: journey.stack.databaseUrl,
      ...journey.stack.credentialsOf(role),
    };
    const output = await runCommand(process.execPath, [entryFileOf('cli'), ...args, '--json'], { env });
    return (JSON.parse(output) as { data: T }).data;
  }

  async function confirmed(sku = uniqueName('sku')): Promise<void> {
    const orderId = await journey.placeOrder(order(sku), uniqueName('key'));
    expect(await journey.settled(orderId)).toMatchObject({ status: 'confirmed' });
  }

  /** Lets the servers read the public keys again. */
  async function reload(): Promise<void> {
    const { dataDir, stack } = journey;
    const directory = credentialsDir(dataDir);
    await ensureCredentials({ directory, roles: ROLES, hosts: ['localhost', '127.0.0.1'] });
    const accounts = readFileSync(join(directory, 'server', 'accounts.conf'));
    writeFileSync(join(dataDir, 'nats', 'accounts.conf'), accounts);
    process.kill(stack.pid('nats') ?? 0, 'SIGHUP');
  }

  const logOf = (name: string) => readFileSync(join(journey.dataDir, 'logs', `${name}.log`), 'utf8');
  /** What was refused to services. Those that may not see how far others are ask once, and do without. */
  const violations = () =>
    SERVICES.flatMap((name) => logOf(name).match(/.*permissions violation.*/gi) ?? []).filter(
      (line) => !/API\.(CONSUMER\.LIST|STREAM\.INFO)\./.test(line),
    );
  const countOf = (name: string, pattern: RegExp) => logOf(name).match(pattern)?.length ?? 0;

  beforeAll(async () => {
    journey = await Journey.start({}, { secure: true });
  }, 300_000);

  afterAll(async () => {
    await journey.end();
  }, 60_000);

  it('orders are confirmed, cancelled and refunded, and nothing is refused to any service', async () => {
    await confirmed();
    const sku = uniqueName('sku');
    await journey.request('inventory-service', 'PUT', `/stock/${sku}`, { onHand: 1 });
    const short = await journey.placeOrder(order(sku, 2), uniqueName('key'));
    expect(await journey.settled(short)).toMatchObject({ status: 'cancelled' });
    await journey.setFaults({ mode: 'decline', ratio: 1 });
    const declined = await journey.placeOrder(order(uniqueName('sku')), uniqueName('key'));
    expect(await journey.settled(declined)).toMatchObject({ status: 'cancelled' });
    await journey.setFaults({ mode: 'ok' });
    for (const stream of ['ORDERS', 'PAYMENTS', 'INVENTORY']) {
      await waitFor(`${stream} to be quiet`, () => journey.isQuiet(stream), 30_000);
    }
    expect(violations()).toEqual([]);
  });

  it('the audit log is kept in the bucket of the day, and proves itself', async () => {
    const { segments } = await journey.read<{ segments: { object: string }[] }>('audit-service', '/segments');
    expect(segments[0]?.object).toMatch(/^audit-\d{4}-\d\d-\d\d\/ORDERS\//);
    expect(await journey.read('audit-service', '/verify')).toMatchObject({ ok: true, problems: [] });
    expect(violations()).toEqual([]);
  });

  it('what nobody can read is dead-lettered, and an operator has it handled after all', async () => {
    const service = await connectAs(journey.stack, 'order-service');
    const orderId = uniqueName('o');
    await jetstream(service).publish('orders.created.v1', `{"order_id":"${orderId}"}`);
    await service.close();
    const letters = () =>
      cli<{ letters: { id: string; consumer: string }[] }>('operator', 'dlq', 'ls', '--stream', 'ORDERS');
    const found = await waitFor('the dead letters', async () => {
      const all = (await letters()).letters;
      return all.length === 3 && all;
    });
    const corrected = join(journey.dataDir, 'corrected.json');
    const message = {
      message_id: uniqueName('m'),
      order_id: orderId,
      customer_id: 'cust-1',
      total_amount: 5,
    };
    writeFileSync(corrected, JSON.stringify({ ...message, created_at: Date.now() }));
    for (const { id } of found) await cli('operator', 'dlq', 'redrive', id, '--body', corrected);
    expect(await journey.settled(orderId)).toMatchObject({ status: 'confirmed', totalMinor: 500 });
    expect((await letters()).letters).toEqual([]);
    expect(violations()).toEqual([]);
  });

  it('the outbox of a service is compared with its stream by that service alone', async () => {
    const [since, until] = [Date.now() - 600_000, Date.now()].map((time) => new Date(time).toISOString());
    const time = ['--since', since ?? '', '--until', until ?? ''];
    const report = await cli<{ compared: number; missing: string[] }>(
      'order-service',
      ...['outbox', 'reconcile', '--service', 'order-service'].concat(time),
    );
    expect(report.compared).toBeGreaterThan(0);
    expect(report.missing).toEqual([]);
  });

  it('the server is as declared, and an operator can only look', async () => {
    expect(await cli('operator', 'streams', 'check')).toEqual({ changes: [] });
  });

  it('nobody connects without a certificate and a key', async () => {
    const { natsUrl: servers } = journey.stack;
    const { NATS_TLS_CA: caFile } = journey.stack.credentialsOf('operator');
    const attempts = [{}, { tls: { caFile } }].map((options) =>
      connect({ servers, reconnect: false, timeout: 5_000, ...options }).then(
        () => 'connected',
        () => 'refused',
      ),
    );
    expect(await Promise.all(attempts)).toEqual(['refused', 'refused']);
  });

  it('a key and a certificate are rotated without a restart, and what they replaced is void', async () => {
    const directory = join(credentialsDir(journey.dataDir), 'payment-service');
    const former = readFileSync(join(directory, 'user.nk'));
    const pid = journey.stack.pid('payment-service');
    rmSync(join(directory, 'tls.crt'));
    rotateUserKey(directory);
    await reload();
    const reconnected = /reconnected to NATS/g;
    const before = countOf('payment-service', reconnected);
    await waitFor('the new key', () => countOf('payment-service', reconnected) > before, 30_000);
    await confirmed();
    retireUserKey(directory);
    await reload();
    await confirmed();
    expect(journey.stack.pid('payment-service')).toBe(pid);
    const copy = join(journey.dataDir, 'former.nk');
    writeFileSync(copy, former);
    const env = { ...journey.stack.credentialsOf('payment-service'), NATS_NKEY_SEED_FILE: copy };
    const { natsUrl } = journey.stack;
    const access = { natsUrl, credentialsOf: () => env };
    await expect(connectAs(access, 'payment-service')).rejects.toThrow(/authorization/i);
  }, 120_000);

  it('segments of the log outlive a restart of NATS', async () => {
    await journey.stack.kill('nats');
    await journey.stack.ready('nats');
    await confirmed();
    await waitFor('the audit to have caught up', () => journey.isQuiet('ORDERS'), 60_000);
    expect(await journey.read('audit-service', '/verify')).toMatchObject({ ok: true, problems: [] });
    expect(readdirSync(join(journey.dataDir, 'nats', 'jetstream', 'jetstream'))).toContain('SLIPSTREAM');
  }, 120_000);
});
