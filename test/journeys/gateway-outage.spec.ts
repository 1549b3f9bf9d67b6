import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { uniqueName, waitFor } from '@slipstream/testing';
import { Journey, type GatewayStats } from './journey.ts';

const ORDERS = 150;
const TOTAL_MINOR = 1_250;
/** Rounds of the comparison: whatever else the machine does slows a round down, so one that is disturbed is followed by another. */
const ROUNDS = { least: 2, most: 12 };

const order = (sku: string) => ({
  customerId: 'cust-1',
  currency: 'EUR',
  lines: [{ sku, quantity: 1, unitPriceMinor: TOTAL_MINOR }],
});

describe('while the payment gateway is in trouble', () => {
  let journey: Journey;

  const place = (sku: string, count: number) =>
    Promise.all(Array.from({ length: count }, () => journey.placeOrder(order(sku), uniqueName('key'))));

  /** True when payment-service says that it takes no orders for the time being; it is well meanwhile. */
  async function isPaused(): Promise<boolean> {
    const { status, details } = await journey.read<{ status: string; details: Record<string, object> }>(
      'payment-service',
      '/health/ready',
    );
    return status === 'ok' && /"paused":\[[^\]]*"ORDERS\/payment-orders"/.test(JSON.stringify(details));
  }

  async function reserved(sku: string): Promise<number> {
    return (await journey.read<{ reserved: number }>('inventory-service', `/stock/${sku}`)).reserved;
  }

  /** What the gateway did since `before` and what was given up, once every order is confirmed. */
  async function outcomeOf(orderIds: readonly string[], before: GatewayStats) {
    await waitFor(
      'every order to be confirmed',
      async () => {
        const orders = await Promise.all(orderIds.map((orderId) => journey.order(orderId)));
        return orders.every(({ status }) => status === 'confirmed');
      },
      120_000,
    );
    await waitFor('every message to be settled', () => journey.isQuiet('ORDERS'), 120_000);
    const after = await journey.gateway();
    return {
      charges: after.charges - before.charges,
      refunds: after.refunds - before.refunds,
      amountMinor: after.amountMinor - before.amountMinor,
      duplicateCharges: after.duplicateCharges,
      deadLetters: await journey.deadLetters('ORDERS_DLQ'),
    };
  }

  const chargedOnceEach = ({ length: charges }: readonly string[]) => ({
    charges,
    refunds: 0,
    amountMinor: charges * TOTAL_MINOR,
    duplicateCharges: 0,
    deadLetters: [],
  });

  beforeAll(async () => {
    journey = await Journey.start();
  }, 240_000);

  afterAll(async () => {
    await journey.end();
  }, 60_000);

  it.each(['down', 'throttle'])(
    'that is %s, orders are accepted, reserved and audited, and charged once each when it is back',
    async (mode) => {
      const sku = uniqueName('sku');
      const before = await journey.gateway();
      await journey.setFaults({ mode });
      const orderIds = await place(sku, ORDERS);
      await waitFor('the consumer to be paused', isPaused, 60_000);
      orderIds.push(...(await place(sku, ORDERS)));
      await waitFor('every order to be reserved', async () => (await reserved(sku)) === 2 * ORDERS, 60_000);
      expect(await journey.gateway()).toEqual(before);
      expect(await journey.read('audit-service', '/verify')).toMatchObject({ ok: true, problems: [] });
      await journey.setFaults({ mode: 'ok' });
      expect(await outcomeOf(orderIds, before)).toEqual(chargedOnceEach(orderIds));
      await waitFor('the consumer to run', async () => !(await isPaused()));
    },
    300_000,
  );

  it('that is down, orders are taken at 95 % of the usual rate at least', async () => {
    const tookMs: Record<'ok' | 'down', number[]> = { ok: [], down: [] };
    const before = await journey.gateway();
    const orderIds: string[] = [];
    // The fastest round of each counts.
    const ratio = () => Math.min(...tookMs.ok) / Math.min(...tookMs.down);
    for (let round = 0; round < ROUNDS.least || (round < ROUNDS.most && ratio() < 0.95); round++) {
      for (const mode of ['ok', 'down'] as const) {
        await journey.setFaults({ mode });
        orderIds.push(...(await place(uniqueName('sku'), ORDERS)));
        if (mode === 'down') await waitFor('the consumer to be paused', isPaused, 60_000);
        const startedAt = performance.now();
        orderIds.push(...(await place(uniqueName('sku'), 2 * ORDERS)));
        tookMs[mode].push(performance.now() - startedAt);
        await journey.setFaults({ mode: 'ok' });
        // What is left over from one round must not slow the next one down.
        expect(await outcomeOf(orderIds, before)).toEqual(chargedOnceEach(orderIds));
      }
    }
    expect(ratio()).toBeGreaterThanOrEqual(0.95);
  }, 600_000);

  it('that does not accept connections, nothing is lost, and each order is charged once', async () => {
    const before = await journey.gateway();
    await journey.stack.halt('payment-gateway');
    const orderIds = await place(uniqueName('sku'), ORDERS);
    await waitFor('the consumer to be paused', isPaused, 60_000);
    await journey.stack.resume('payment-gateway');
    expect(await outcomeOf(orderIds, before)).toEqual(chargedOnceEach(orderIds));
  }, 300_000);

  it.each([
    { mode: 'ambiguous', ratio: 0.5 },
    { mode: 'throttle', ratio: 0.3 },
    { mode: 'slow', ratio: 0.2, latencyMs: 1_500 },
  ])(
    'now and then ($mode), each order is charged once',
    async (faults) => {
      const before = await journey.gateway();
      await journey.setFaults(faults);
      const orderIds = await place(uniqueName('sku'), ORDERS);
      expect(await outcomeOf(orderIds, before)).toEqual(chargedOnceEach(orderIds));
      await journey.setFaults({ mode: 'ok' });
    },
    300_000,
  );
});
