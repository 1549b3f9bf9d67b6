import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { uniqueName, waitFor } from '@slipstream/testing';
import { Journey } from './journey.ts';

const TIMEOUT_S = 2;

describe('an order that does not settle in time', () => {
  let journey: Journey;

  const place = async () => {
    const sku = uniqueName('sku');
    const lines = [{ sku, quantity: 2, unitPriceMinor: 1_250 }];
    const order = { customerId: 'cust-1', currency: 'EUR', lines };
    return { sku, orderId: await journey.placeOrder(order, uniqueName('key')) };
  };
  const isUndone = async (sku: string) => {
    const { reserved } = await journey.read<{ reserved: number }>('inventory-service', `/stock/${sku}`);
    const { amountMinor } = await journey.gateway();
    return reserved === 0 && amountMinor === 0 && (await journey.isQuiet('ORDERS'));
  };

  beforeAll(async () => {
    const env = { ORDER_TIMEOUT: String(TIMEOUT_S) };
    journey = await Journey.start({ 'order-service': env, 'payment-service': env });
  }, 240_000);

  afterAll(async () => {
    await journey.end();
  }, 60_000);

  it('is cancelled and its stock given back, and what is charged for it later is refunded', async () => {
    await journey.setFaults({ mode: 'slow', ratio: 1, latencyMs: 2 * TIMEOUT_S * 1_000 });
    const { orderId, sku } = await place();
    expect(await journey.settled(orderId)).toMatchObject({
      status: 'cancelled',
      reason: expect.stringContaining('not settled within'),
    });
    await journey.setFaults({ mode: 'ok' });
    await waitFor('stock and money to be back', () => isUndone(sku), 60_000);
    expect(await journey.gateway()).toMatchObject({ amountMinor: 0, duplicateCharges: 0 });
    expect(await journey.order(orderId)).toMatchObject({ status: 'cancelled' });
  }, 120_000);

  it('is not even charged when payment-service hears of it after its end', async () => {
    const before = await journey.gateway();
    await journey.stack.halt('payment-service');
    const { orderId, sku } = await place();
    expect(await journey.settled(orderId)).toMatchObject({ status: 'cancelled' });
    await journey.stack.resume('payment-service');
    await waitFor('stock and money to be back', () => isUndone(sku), 60_000);
    const after = await journey.gateway();
    expect(after).toEqual(before);
  }, 120_000);
});
