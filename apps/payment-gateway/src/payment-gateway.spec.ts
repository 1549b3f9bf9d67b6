import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { configureHttp, createHttpAdapter } from '@slipstream/bootstrap';
import { AppModule } from './app.module.js';
import { Faults, type FaultSettings } from './faults.js';
import { Ledger, LedgerCorruptError } from './ledger.js';

process.env['LOG_LEVEL'] = 'silent';

const ORDER = { orderId: 'o-1', amountMinor: 1999, currency: 'EUR' };

describe('payment gateway', () => {
  let directory: string;
  let app: NestFastifyApplication;

  const file = () => join(directory, 'ledger.ndjson');

  async function start(): Promise<void> {
    const config = { PORT: 0, GATEWAY_DATA_FILE: file() };
    const module = await Test.createTestingModule({ imports: [AppModule.register(config)] }).compile();
    app = module.createNestApplication<NestFastifyApplication>(createHttpAdapter(), { logger: false });
    configureHttp(app);
    await app.listen(0, '127.0.0.1');
  }

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'gateway-'));
    await start();
  });

  afterEach(async () => {
    await app.close();
    await rm(directory, { recursive: true });
  });

  async function call(method: string, path: string, body?: object, key?: string) {
    const response = await fetch(`${await app.getUrl()}${path}`, {
      method,
      headers: {
        ...(body && { 'content-type': 'application/json' }),
        ...(key !== undefined && { 'idempotency-key': key }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    return { status: response.status, headers: response.headers, body: JSON.parse(await response.text()) };
  }

  const charge = (key: string, body: object = ORDER) => call('POST', '/charges', body, key);
  const refund = (key: string) => call('POST', `/charges/${key}/refund`);
  const stats = async () => (await call('GET', '/stats')).body;
  const setFaults = (faults: Partial<FaultSettings>) => call('PUT', '/faults', faults);

  async function untilInFlight(key: string): Promise<void> {
    while ((await call('GET', `/charges/${key}`)).status !== 409) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  describe('charges', () => {
    it('answers 201 with the charge, and the same charge to the same request', async () => {
      const first = await charge('k-1');
      expect(first.status).toBe(201);
      expect(first.body).toEqual({
        ...ORDER,
        chargeId: expect.stringMatching(/^ch_/),
        status: 'succeeded',
        createdAt: expect.any(String),
      });
      const second = await charge('k-1');
      expect([second.status, second.body]).toEqual([200, first.body]);
      expect((await call('GET', '/charges/k-1')).body).toEqual(first.body);
      expect(await stats()).toMatchObject({ charges: 1, amountMinor: 1999 });
    });

    it('answers 422 to another request with the same key, and says what differs', async () => {
      await charge('k-1');
      const other = await charge('k-1', { ...ORDER, amountMinor: 2000 });
      expect(other.status).toBe(422);
      expect(other.body.errors).toEqual([
        { field: 'amountMinor', reason: 'differs from the first request with this key' },
      ]);
    });

    it('answers 409 while the first request with the key is in flight, and charges once', async () => {
      await setFaults({ mode: 'slow', latencyMs: 300 });
      const first = charge('k-1');
      await untilInFlight('k-1');
      const second = await charge('k-1');
      expect([second.status, second.headers.get('retry-after')]).toEqual([409, '1']);
      expect((await first).status).toBe(201);
      expect(await stats()).toMatchObject({ charges: 1 });
    });

    it('charges once however many requests with one key arrive together', async () => {
      const answers = await Promise.all(Array.from({ length: 20 }, () => charge('k-1')));
      expect(answers.filter((answer) => answer.status === 201)).toHaveLength(1);
      expect(answers.every((answer) => [200, 201, 409].includes(answer.status))).toBe(true);
      expect(await stats()).toMatchObject({ charges: 1 });
    });

    it.each([
      ['no key', undefined],
      ['a key with a space', 'a b'],
      ['a key of 256 characters', 'x'.repeat(256)],
    ])('answers 400 to %s', async (_case, key) => {
      const response = await call('POST', '/charges', ORDER, key);
      expect(response.status).toBe(400);
      expect(response.body.errors[0].field).toBe('Idempotency-Key');
    });

    it('takes the longest key in a path', async () => {
      const key = '%'.repeat(255);
      await charge(key);
      expect((await call('GET', `/charges/${encodeURIComponent(key)}`)).status).toBe(200);
    });

    it('answers 400 to a body that is no charge', async () => {
      const response = await charge('k-1', { orderId: '', amountMinor: 1.5, currency: 'euro' });
      expect(response.body.errors.map((error: { field: string }) => error.field)).toEqual([
        'orderId',
        'amountMinor',
        'currency',
      ]);
    });

    it.each([
      ['a field nobody knows', { ...ORDER, tip: 1 }, 'tip'],
      ['nothing to charge', { ...ORDER, amountMinor: 0 }, 'amountMinor'],
      ['an order without a name', { ...ORDER, orderId: '' }, 'orderId'],
    ])('answers 400 to %s, and charges nothing', async (_case, body, field) => {
      const response = await charge('k-1', body);
      expect(response.status).toBe(400);
      expect(response.headers.get('content-type')).toContain('application/problem+json');
      expect(response.body.errors[0].field).toBe(field);
      expect(await stats()).toMatchObject({ charges: 0 });
    });

    it('answers 400 to a body that is no JSON', async () => {
      const response = await fetch(`${await app.getUrl()}/charges`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': 'k-1' },
        body: '{"orderId"',
      });
      expect(response.status).toBe(400);
    });

    it('answers 404 for a key without a charge', async () => {
      expect((await call('GET', '/charges/unknown')).status).toBe(404);
    });
  });

  describe('closed keys', () => {
    const close = (key: string) => call('POST', `/charges/${key}/close`);

    it('are never charged, also after a restart', async () => {
      expect(await close('k-1')).toMatchObject({ status: 201, body: { status: 'closed' } });
      await app.close();
      await start();
      expect(await charge('k-1')).toMatchObject({ status: 200, body: { status: 'closed' } });
      expect((await call('GET', '/charges/k-1')).body.status).toBe('closed');
      expect((await close('k-1')).status).toBe(200);
      expect((await refund('k-1')).status).toBe(409);
      expect(await stats()).toMatchObject({ charges: 0, amountMinor: 0 });
    });

    it('keep the charge that was made before', async () => {
      const { body } = await charge('k-1');
      expect(await close('k-1')).toMatchObject({ status: 200, body });
      expect(await stats()).toMatchObject({ charges: 1 });
    });

    it('are not closed while a charge is in flight', async () => {
      await setFaults({ mode: 'slow', latencyMs: 300 });
      const first = charge('k-1');
      await untilInFlight('k-1');
      expect((await close('k-1')).status).toBe(409);
      expect((await first).status).toBe(201);
    });
  });

  describe('refunds', () => {
    it('take effect once', async () => {
      await charge('k-1');
      const first = await refund('k-1');
      const second = await refund('k-1');
      expect([first.status, second.status]).toEqual([201, 200]);
      expect(second.body).toEqual(first.body);
      expect(await stats()).toMatchObject({ charges: 1, refunds: 1, amountMinor: 0 });
    });

    it('are refused for a key without a charge and for a declined charge', async () => {
      await setFaults({ mode: 'decline' });
      await charge('k-1');
      expect((await refund('unknown')).status).toBe(404);
      expect((await refund('k-1')).status).toBe(409);
    });
  });

  describe('faults', () => {
    it('throttle with 429 and Retry-After, without an effect', async () => {
      await setFaults({ mode: 'throttle' });
      const response = await charge('k-1');
      expect([response.status, response.headers.get('retry-after')]).toEqual([429, '1']);
      expect(await stats()).toMatchObject({ charges: 0 });
    });

    it('answer 503 to charges and refunds while down, but not to lookups', async () => {
      await charge('k-1');
      await setFaults({ mode: 'down' });
      expect((await charge('k-2')).status).toBe(503);
      expect((await refund('k-1')).status).toBe(503);
      expect((await call('GET', '/charges/k-1')).status).toBe(200);
    });

    it('make a charge and a refund durable and drop the connection when ambiguous', async () => {
      await setFaults({ mode: 'ambiguous' });
      await expect(charge('k-1')).rejects.toThrow('fetch failed');
      await expect(refund('k-1')).rejects.toThrow('fetch failed');
      expect((await call('GET', '/charges/k-1')).status).toBe(200);
      expect(await stats()).toMatchObject({ charges: 1, refunds: 1 });
    });

    it('decline as a result that the key remembers', async () => {
      await setFaults({ mode: 'decline' });
      expect((await charge('k-1')).body.status).toBe('declined');
      await setFaults({ mode: 'ok' });
      expect((await charge('k-1')).body.status).toBe('declined');
      expect(await stats()).toEqual({
        charges: 0,
        refunds: 0,
        distinctOrders: 0,
        duplicateCharges: 0,
        amountMinor: 0,
      });
    });

    it('hit only their share of the requests', async () => {
      await setFaults({ mode: 'down', ratio: 0.5 });
      const faults = app.get(Faults);
      const drawn = Array.from({ length: 2_000 }, () => faults.draw());
      const share = drawn.filter((fault) => fault === 'down').length / drawn.length;
      expect(share).toBeGreaterThan(0.4);
      expect(share).toBeLessThan(0.6);
    });

    it('are shown with their defaults, and refused when unknown', async () => {
      expect((await setFaults({ mode: 'throttle' })).body).toEqual({
        mode: 'throttle',
        ratio: 1,
        latencyMs: 0,
      });
      expect((await call('PUT', '/faults', { mode: 'wild', ratio: 2 })).status).toBe(400);
      expect((await call('GET', '/faults')).body).toEqual({ mode: 'throttle', ratio: 1, latencyMs: 0 });
    });

    it('do not hold up a shutdown: a slow request in flight is finished at once', async () => {
      await setFaults({ mode: 'slow', latencyMs: 60_000 });
      const first = charge('k-1');
      await untilInFlight('k-1');
      await app.close();
      expect((await first).status).toBe(201);
    });
  });

  describe('ledger', () => {
    it('counts a second charge for one order, under another key, as a duplicate', async () => {
      await charge('k-1');
      await charge('k-2');
      await charge('k-3', { ...ORDER, orderId: 'o-2' });
      expect(await stats()).toMatchObject({
        charges: 3,
        distinctOrders: 2,
        duplicateCharges: 1,
        amountMinor: 5997,
      });
    });

    it('survives a restart', async () => {
      const first = await charge('k-1');
      await charge('k-2', { ...ORDER, orderId: 'o-2' });
      await refund('k-2');
      const before = await stats();
      await app.close();
      await start();
      expect(await stats()).toEqual(before);
      expect((await charge('k-1')).body).toEqual(first.body);
      expect((await refund('k-2')).status).toBe(200);
    });

    it('is not opened when a whole line of it is no record', async () => {
      await writeFile(file(), '{"type":"charge"}\n');
      await expect(Ledger.open(file())).rejects.toThrow(LedgerCorruptError);
      await expect(Ledger.open(file())).rejects.toThrow(/Line 1 of .*ledger\.ndjson/);
    });
  });

  it('serves its health and metrics', async () => {
    for (const path of ['live', 'ready', 'startup']) {
      expect((await call('GET', `/health/${path}`)).status).toBe(200);
    }
    const metrics = await fetch(`${await app.getUrl()}/metrics`);
    expect(await metrics.text()).toContain('service="payment-gateway"');
  });
});
