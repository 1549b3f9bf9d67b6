import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { uniqueName, waitFor } from '@slipstream/testing';
import { readFileSync } from 'node:fs';
import { buildApps } from '../../tools/stack/build.ts';
import { readComposeSystem } from './compose-system.ts';
import { readKubeSystem } from './kube-system.ts';
import { Machine } from './machine.ts';

const PATIENCE_MS = 60_000;
const APPS = {
  'order-service': 3001,
  'payment-service': 3002,
  'inventory-service': 3003,
  'audit-service': 3004,
  'order-producer': 3005,
  'payment-gateway': 3010,
} as const;

const DESCRIPTIONS = [
  { name: 'docker-compose.yml', nats: 'nats-1', read: () => readComposeSystem('core') },
  {
    name: 'k8s/slipstream.yaml',
    nats: 'nats-0',
    read: () => Promise.resolve(readKubeSystem('k8s/slipstream.yaml')),
  },
];

describe.each(DESCRIPTIONS)('the containers of $name, as processes', ({ nats, read }) => {
  let machine: Machine;

  const get = async (app: keyof typeof APPS, path: string): Promise<unknown> => {
    const answer = await fetch(`http://${machine.address(app, APPS[app])}${path}`);
    if (!answer.ok) throw new Error(`${path} of ${app} answers ${answer.status}`);
    return answer.json();
  };

  beforeAll(async () => {
    await buildApps(['cli', ...Object.keys(APPS)]);
    machine = await Machine.run(await read());
  }, 300_000);

  afterAll(async () => {
    await machine?.stop();
  }, 90_000);

  it('have an order confirmed and charged once', async () => {
    const order = {
      customerId: 'cust-1',
      currency: 'EUR',
      lines: [{ sku: uniqueName('sku'), quantity: 1, unitPriceMinor: 1_250 }],
    };
    const placed = await fetch(`http://${machine.address('order-service', 3001)}/orders`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': uniqueName('key') },
      body: JSON.stringify(order),
    });
    const { orderId } = (await placed.json()) as { orderId: string };
    await waitFor(
      'the order to be confirmed',
      async () => {
        const { status } = (await get('order-service', `/orders/${orderId}`)) as { status: string };
        return status === 'confirmed';
      },
      PATIENCE_MS,
    );
    const ledger = readFileSync(machine.path('payment-gateway', '/data/ledger.ndjson'), 'utf8');
    expect(ledger.split('\n').filter((line) => line.includes(orderId))).toHaveLength(1);
  }, 90_000);

  it('have orders from the producer, all of them charged once', async () => {
    type Stats = { charges: number; distinctOrders: number };
    const stats = async () => (await get('payment-gateway', '/stats')) as Stats;
    await waitFor('another order', async () => (await stats()).charges > 1, PATIENCE_MS);
    const { charges, distinctOrders } = await stats();
    expect(distinctOrders).toBe(charges);
  }, 90_000);

  it('keep each stream and durable three times, and the audit log with the key they were given', async () => {
    const nc = await connect({ servers: machine.address(nats, 4222) });
    const manager = await jetstreamManager(nc);
    const replicas = new Set<number>();
    for await (const { config, cluster } of manager.streams.list()) {
      expect(config.num_replicas).toBe(1 + (cluster?.replicas?.length ?? 0));
      replicas.add(config.num_replicas);
    }
    await nc.close();
    expect(replicas).toEqual(new Set([3]));
    expect(await get('audit-service', '/verify')).toMatchObject({ ok: true, problems: [] });
  }, 90_000);

  it('end in order when they are told to', async () => {
    const exits = await machine.stop();
    const bad = Object.entries(exits).filter(([name, { code }]) => name in APPS && code !== 0);
    expect(bad).toEqual([]);
    expect(Object.keys(exits)).toEqual(expect.arrayContaining(Object.keys(APPS)));
  }, 90_000);
});
