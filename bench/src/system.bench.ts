import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BenchEnvironment, Benchmark, Variant } from './benchmark.js';
import { RunningSystem } from './system/running-system.js';

const ORDERS = 20_000;
const CONNECTIONS = 128;
/** Orders a second while latency is measured, and for how long: far from what the machine can do. */
const STEADY_RATE = 100;
const STEADY_SECONDS = 10;
const LOAD = join(fileURLToPath(new URL('.', import.meta.url)), 'intake', 'load.js');

/**
 * The whole order system on one machine, from POST to confirmed: PostgreSQL, NATS, four services, the payment provider's
 * simulator and the load generator share its cores. Three of the figures by which the article measures itself (orders a
 * second, latency, duplicate charges) and the fourth in its place: how fast the backlog of an outage is gone.
 */
export const system: Benchmark = {
  name: 'system',
  unit: 'orders',
  ratios: [{ label: 'backlog / orders as they come', of: 'backlog', to: 'orders as they come', floor: 0.8 }],
  async prepare(environment: BenchEnvironment) {
    const orders = Math.round(ORDERS * environment.scale);
    const running = await RunningSystem.start(environment, `bench_${randomBytes(6).toString('hex')}`);
    const latency: Record<string, number> = {};
    return {
      variants: [asTheyCome(running, orders, latency), backlog(running, orders)],
      latencyMs: () => latency,
      settings: {
        orders,
        connections: CONNECTIONS,
        latencyAtRate: STEADY_RATE,
        synchronous_commit: 'on',
        sync_interval: 'default',
      },
      close: () => running.stop(),
    };
  },
};

/** Accepted, charged, reserved and confirmed. The latency of single ones is measured after it, and not counted. */
function asTheyCome(running: RunningSystem, orders: number, latency: Record<string, number>): Variant {
  return {
    label: 'orders as they come',
    run: async () => {
      const startedAt = performance.now();
      await running.post(LOAD, orders, CONNECTIONS);
      await running.untilSettled();
      const elapsedMs = performance.now() - startedAt;
      Object.assign(latency, await running.latencyAt(STEADY_RATE, STEADY_SECONDS));
      await running.expectOneChargeEach();
      return { units: orders, elapsedMs };
    },
  };
}

/** Orders that were accepted while the payment provider was away, from the moment it is back. */
function backlog(running: RunningSystem, orders: number): Variant {
  return {
    label: 'backlog',
    run: async () => {
      await running.setGateway('down');
      await running.post(LOAD, orders, CONNECTIONS);
      await running.setGateway('ok');
      const startedAt = performance.now();
      await running.untilSettled();
      return { units: orders, elapsedMs: performance.now() - startedAt };
    },
  };
}
