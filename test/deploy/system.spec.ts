import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { uniqueName, waitFor } from '@slipstream/testing';
import { mkdtempSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { appOfImage } from '../../tools/deploy/environments.ts';
import { credentialEnvironment, ensureCredentials } from '../../tools/nats-security/credentials.ts';
import { readRoles } from '../../tools/nats-security/roles.ts';
import { guard } from '../../tools/process/guard.ts';
import { APPS } from '../../tools/stack/apps.ts';
import { buildApps } from '../../tools/stack/build.ts';
import { connectWith } from '../secure/secure-server.ts';
import { readComposeSystem } from './compose-system.ts';
import type { System } from './container.ts';
import { readKubeSystem } from './kube-system.ts';
import { Machine } from './machine.ts';
import { programOf } from './programs.ts';

const PATIENCE_MS = 60_000;

interface Description {
  readonly name: string;
  readonly nats: string;
  /** @param credentials directory in which those of each role may be made */
  readonly read: (credentials: string) => Promise<System>;
  /** Variables with which an operator connects. */
  readonly operator?: (credentials: string) => Record<string, string>;
}

/** What the console finds where each variable that names somebody leads to them; the others depend on the load. */
const SOUND = { versions: 'good', replicas: 'good', sync: 'good', services: 'good', drift: 'good' };

const DESCRIPTIONS: readonly Description[] = [
  {
    name: 'the profile core of docker-compose.yml',
    nats: 'nats-1:4222',
    read: () => readComposeSystem('core'),
  },
  {
    name: 'the profile secure of docker-compose.yml',
    nats: 'nats-1:4222',
    read: async (credentials) => {
      const { names: roles } = await readRoles();
      await ensureCredentials({ directory: credentials, roles, hosts: ['localhost', '127.0.0.1'] });
      return readComposeSystem('secure', { NATS_CREDENTIALS: credentials });
    },
    operator: (credentials) => credentialEnvironment(credentials, 'operator'),
  },
  {
    name: 'k8s/slipstream.yaml',
    nats: 'nats:4222',
    read: () => Promise.resolve(readKubeSystem('k8s/slipstream.yaml')),
  },
];

describe.each(DESCRIPTIONS)('the containers of $name, as processes', ({ nats, read, operator }) => {
  let credentials: string;
  let system: System;
  let machine: Machine;

  const get = async <T>(host: string, path: string): Promise<T> => {
    const answer = await fetch(`http://${machine.address(host)}${path}`);
    if (!answer.ok) throw new Error(`${path} of ${host} answers ${answer.status}`);
    return (await answer.json()) as T;
  };

  beforeAll(async () => {
    await buildApps(['cli', ...APPS.map(({ name }) => name)]);
    credentials = mkdtempSync(join(tmpdir(), 'slipstream-credentials-'));
    guard.removeAtExit(credentials);
    system = await read(credentials);
    machine = await Machine.run(system);
  }, 300_000);

  afterAll(async () => {
    await machine?.stop();
    await rm(credentials, { recursive: true, force: true });
    guard.keep(credentials);
  }, 90_000);

  it('have an order confirmed and charged once', async () => {
    const order = {
      customerId: 'cust-1',
      currency: 'EUR',
      lines: [{ sku: uniqueName('sku'), quantity: 1, unitPriceMinor: 1_250 }],
    };
    const placed = await fetch(`http://${machine.address('order-service:3001')}/orders`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': uniqueName('key') },
      body: JSON.stringify(order),
    });
    const { orderId } = (await placed.json()) as { orderId: string };
    await waitFor(
      'the order to be confirmed',
      async () => {
        const { status } = await get<{ status: string }>('order-service:3001', `/orders/${orderId}`);
        return status === 'confirmed';
      },
      PATIENCE_MS,
    );
    const ledger = readFileSync(machine.path('payment-gateway', '/data/ledger.ndjson'), 'utf8');
    expect(ledger.split('\n').filter((line) => line.includes(orderId))).toHaveLength(1);
  }, 90_000);

  it('have orders from the producer, all of them charged once', async () => {
    const stats = () => get<{ charges: number; distinctOrders: number }>('payment-gateway:3010', '/stats');
    await waitFor('another order', async () => (await stats()).charges > 1, PATIENCE_MS);
    const { charges, distinctOrders } = await stats();
    expect(distinctOrders).toBe(charges);
  }, 90_000);

  it('keep each stream three times, and the audit log with the key they were given', async () => {
    const nc = await connectWith(machine.address(nats), operator?.(credentials) ?? {});
    const manager = await jetstreamManager(nc, { checkAPI: false });
    const replicas: Record<string, number> = {};
    for await (const { config, cluster } of manager.streams.list()) {
      replicas[config.name] = 1 + (cluster?.replicas?.length ?? 0);
    }
    await nc.close();
    expect(Object.keys(replicas)).toEqual(expect.arrayContaining(['ORDERS', 'PAYMENTS_DLQ', 'AUDIT_HEADS']));
    expect(new Set(Object.values(replicas))).toEqual(new Set([3]));
    expect(await get('audit-service:3004', '/verify')).toMatchObject({ ok: true, problems: [] });
  }, 90_000);

  it('have a console whose pages everybody gets, and which tells of the system whoever has its token', async () => {
    const url = `http://${machine.address('console:3000')}`;
    const page = await fetch(url);
    expect(await page.text()).toContain('<script type="module"');
    const { name, env } = system.containers.find(({ image }) => appOfImage(image) === 'console') ?? {};
    const token = readFileSync(machine.path(name ?? '', env?.['CONSOLE_TOKEN_FILE'] ?? ''), 'utf8').trim();
    const ask = (authorization: string) =>
      fetch(`${url}/api/findings`, { headers: { authorization: `Bearer ${authorization}` } });
    const refused = await ask(`${token}x`);
    expect([refused.status, await refused.text()]).toEqual([401, expect.stringContaining('token')]);
    await waitFor(
      'the console to find the system sound',
      async () => {
        const { findings } = (await (await ask(token)).json()) as {
          findings: { check: string; verdict: string }[];
        };
        const verdicts = Object.fromEntries(findings.map(({ check, verdict }) => [check, verdict]));
        expect(verdicts).toMatchObject(SOUND);
        return true;
      },
      PATIENCE_MS,
    );
  }, 90_000);

  it('end in order when they are told to', async () => {
    const exits = await machine.stop();
    const apps = system.containers.filter(({ image, isJob }) => !isJob && programOf(image).kind === 'app');
    expect(apps).toHaveLength(APPS.length);
    expect(apps.map(({ name }) => [name, exits[name]?.code])).toEqual(apps.map(({ name }) => [name, 0]));
  }, 90_000);
});
