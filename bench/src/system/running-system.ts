import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { BenchEnvironment } from '../benchmark.js';
import { LoadedServer } from '../intake/server.js';

const BODY = JSON.stringify({
  customerId: 'cust-123',
  currency: 'EUR',
  lines: [
    { sku: 'sku-1', quantity: 2, unitPriceMinor: 1_250 },
    { sku: 'sku-2', quantity: 1, unitPriceMinor: 990 },
  ],
});
const SERVICES = ['payment-service', 'inventory-service', 'audit-service'] as const;
const POLL_MS = 50;
/** Longer than any outage that a benchmark makes: nothing may be cancelled for its age. */
const ORDER_TIMEOUT_S = 3_600;

/** All apps of the order system, each in a process of its own, on a database of their own. */
export class RunningSystem {
  private constructor(
    private readonly database: pg.Client,
    private readonly orderService: LoadedServer,
    private readonly gateway: LoadedServer,
    private readonly others: readonly LoadedServer[],
    private readonly remove: () => Promise<void>,
  ) {}

  static async start({ natsUrl, databaseUrl }: BenchEnvironment, name: string): Promise<RunningSystem> {
    const url = new URL(databaseUrl);
    const server = new pg.Client({ connectionString: databaseUrl });
    await server.connect();
    await server.query(`CREATE DATABASE ${name}`);
    url.pathname = `/${name}`;
    const directory = await mkdtemp(join(tmpdir(), 'slipstream-bench-'));
    const gateway = await LoadedServer.start(
      entryOf('payment-gateway'),
      { GATEWAY_DATA_FILE: join(directory, 'ledger.ndjson') },
      '/health/ready',
    );
    const env = {
      DATABASE_URL: url.toString(),
      NATS_URL: natsUrl,
      PAYMENT_GATEWAY_URL: gateway.url,
      ORDER_TIMEOUT: String(ORDER_TIMEOUT_S),
      AUDIT_SIGNING_KEY_FILE: join(directory, 'signing-key.pem'),
    };
    const [orderService, ...others] = await Promise.all(
      (['order-service', ...SERVICES] as const).map((app) =>
        LoadedServer.start(entryOf(app), env, '/health/ready'),
      ),
    );
    if (!orderService) throw new Error('order-service was not started');
    const database = new pg.Client({ connectionString: url.toString() });
    await database.connect();
    return new RunningSystem(database, orderService, gateway, others, async () => {
      await database.end();
      await server.query(`DROP DATABASE ${name} WITH (FORCE)`);
      await server.end();
      await rm(directory, { recursive: true });
    });
  }

  async post(loadScript: string, orders: number, connections: number): Promise<void> {
    await this.orderService.load(loadScript, BODY, orders, connections);
  }

  async setGateway(mode: 'ok' | 'down'): Promise<void> {
    await fetch(`${this.gateway.url}/faults`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ mode }),
    });
  }

  /** Resolves when every order that was accepted is confirmed. */
  async untilSettled(): Promise<void> {
    for (;;) {
      const [row] = await this.query<{ pending: boolean; cancelled: boolean }>(
        `SELECT EXISTS (SELECT FROM orders.orders WHERE status = 'pending') AS pending,
                EXISTS (SELECT FROM orders.orders WHERE status = 'cancelled') AS cancelled`,
      );
      if (row?.cancelled) throw new Error('an order was cancelled');
      if (!row?.pending) return;
      await rest(POLL_MS);
    }
  }

  /**
   * Milliseconds from the commit of an order to that of its confirmation, of orders that come evenly.
   * @param rate orders per second
   */
  async latencyAt(rate: number, seconds: number): Promise<Record<string, number>> {
    const [clock] = await this.query<{ from: string }>('SELECT clock_timestamp()::text AS from');
    const requests: Promise<unknown>[] = [];
    for (let sent = 0, startedAt = performance.now(); sent < rate * seconds; sent++) {
      await rest(startedAt + (sent * 1_000) / rate - performance.now());
      requests.push(this.postOne());
    }
    await Promise.all(requests);
    await this.untilSettled();
    const [row] = await this.query<Record<string, number>>(
      `SELECT avg(ms) AS average, percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) AS p50,
              percentile_cont(0.99) WITHIN GROUP (ORDER BY ms) AS p99, max(ms) AS max
       FROM (SELECT extract(epoch FROM h.at - o.created_at)::float * 1000 AS ms
             FROM orders.orders o JOIN orders.order_history h ON h.order_id = o.order_id AND h.event = 'orders.confirmed'
             WHERE o.created_at >= $1::timestamptz) AS confirmed`,
      [clock?.from],
    );
    return row ?? {};
  }

  /** @throws when an order was charged twice, or not at all */
  async expectOneChargeEach(): Promise<void> {
    const answer = await fetch(`${this.gateway.url}/stats`);
    const stats = (await answer.json()) as { charges: number; duplicateCharges: number };
    const [row] = await this.query<{ orders: number }>('SELECT count(*)::int AS orders FROM orders.orders');
    if (stats.duplicateCharges > 0 || stats.charges !== row?.orders) {
      throw new Error(`${row?.orders} orders, but ${JSON.stringify(stats)}`);
    }
  }

  async stop(): Promise<void> {
    await Promise.all([this.orderService.stop(), ...this.others.map((app) => app.stop())]);
    await this.gateway.stop();
    await this.remove();
  }

  private async postOne(): Promise<void> {
    const answer = await fetch(`${this.orderService.url}/orders`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: BODY,
    });
    if (answer.status !== 202) throw new Error(`POST /orders answered ${answer.status}`);
    await answer.body?.cancel();
  }

  private async query<Row>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    return (await this.database.query(text, [...values])).rows as Row[];
  }
}

function entryOf(app: string): string {
  return join('dist', 'apps', app, 'apps', app, 'src', 'main.js');
}

function rest(ms: number): Promise<void> {
  return ms > 0 ? new Promise((resolve) => setTimeout(resolve, ms)) : Promise.resolve();
}
