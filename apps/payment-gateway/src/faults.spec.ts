import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { GatewayScene } from '../test/gateway-scene.js';
import { Faults } from './faults.js';

describe('faults of the payment gateway', () => {
  const scene = new GatewayScene();

  beforeEach(() => scene.set());

  afterEach(() => scene.clear());

  it('throttle with 429 and Retry-After, without an effect', async () => {
    await scene.setFaults({ mode: 'throttle' });
    const response = await scene.charge('k-1');
    expect([response.status, response.headers.get('retry-after')]).toEqual([429, '1']);
    expect(await scene.stats()).toMatchObject({ charges: 0 });
  });

  it('answer 503 to charges and refunds while down, but not to lookups', async () => {
    await scene.charge('k-1');
    await scene.setFaults({ mode: 'down' });
    expect((await scene.charge('k-2')).status).toBe(503);
    expect((await scene.refund('k-1')).status).toBe(503);
    expect((await scene.call('GET', '/charges/k-1')).status).toBe(200);
  });

  it('make a charge and a refund durable and drop the connection when ambiguous', async () => {
    await scene.setFaults({ mode: 'ambiguous' });
    await expect(scene.charge('k-1')).rejects.toThrow('fetch failed');
    await expect(scene.refund('k-1')).rejects.toThrow('fetch failed');
    expect((await scene.call('GET', '/charges/k-1')).status).toBe(200);
    expect(await scene.stats()).toMatchObject({ charges: 1, refunds: 1 });
  });

  it('decline as a result that the key remembers', async () => {
    await scene.setFaults({ mode: 'decline' });
    expect((await scene.charge('k-1')).body.status).toBe('declined');
    await scene.setFaults({ mode: 'ok' });
    expect((await scene.charge('k-1')).body.status).toBe('declined');
    expect(await scene.stats()).toEqual({
      charges: 0,
      refunds: 0,
      distinctOrders: 0,
      duplicateCharges: 0,
      amountMinor: 0,
    });
  });

  it('hit only their share of the requests', async () => {
    await scene.setFaults({ mode: 'down', ratio: 0.5 });
    const faults = scene.app.get(Faults);
    const drawn = Array.from({ length: 2_000 }, () => faults.draw());
    const share = drawn.filter((fault) => fault === 'down').length / drawn.length;
    expect(share).toBeGreaterThan(0.4);
    expect(share).toBeLessThan(0.6);
  });

  it('are shown with their defaults, and refused when unknown', async () => {
    expect((await scene.setFaults({ mode: 'throttle' })).body).toEqual({
      mode: 'throttle',
      ratio: 1,
      latencyMs: 0,
    });
    expect((await scene.call('PUT', '/faults', { mode: 'wild', ratio: 2 })).status).toBe(400);
    expect((await scene.call('GET', '/faults')).body).toEqual({ mode: 'throttle', ratio: 1, latencyMs: 0 });
  });

  it('do not hold up a shutdown: a slow request in flight is finished at once', async () => {
    await scene.setFaults({ mode: 'slow', latencyMs: 60_000 });
    const first = scene.charge('k-1');
    await scene.untilInFlight('k-1');
    await scene.app.close();
    expect((await first).status).toBe(201);
  });
});
