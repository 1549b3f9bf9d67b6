import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { waitFor } from '@slipstream/testing';
import { GatewayScene, ORDER } from '../test/gateway-scene.js';
import { Ledger, LedgerCorruptError } from './ledger.js';

describe('payment gateway', () => {
  const scene = new GatewayScene();

  beforeEach(() => scene.set());

  afterEach(() => scene.clear());

  describe('charges', () => {
    it('answers 201 with the charge, and the same charge to the same request', async () => {
      const first = await scene.charge('k-1');
      expect(first.status).toBe(201);
      expect(first.body).toEqual({
        ...ORDER,
        chargeId: expect.stringMatching(/^ch_/),
        status: 'succeeded',
        createdAt: expect.any(String),
      });
      const second = await scene.charge('k-1');
      expect([second.status, second.body]).toEqual([200, first.body]);
      expect((await scene.call('GET', '/charges/k-1')).body).toEqual(first.body);
      expect(await scene.stats()).toMatchObject({ charges: 1, amountMinor: 1999 });
    });

    it('answers 422 to another request with the same key, and says what differs', async () => {
      await scene.charge('k-1');
      const other = await scene.charge('k-1', { ...ORDER, amountMinor: 2000 });
      expect(other.status).toBe(422);
      expect(other.body.errors).toEqual([
        { field: 'amountMinor', reason: 'differs from the first request with this key' },
      ]);
    });

    it('answers 409 while the first request with the key is in flight, and charges once', async () => {
      await scene.setFaults({ mode: 'slow', latencyMs: 300 });
      const first = scene.charge('k-1');
      await scene.untilInFlight('k-1');
      const second = await scene.charge('k-1');
      expect([second.status, second.headers.get('retry-after')]).toEqual([409, '1']);
      expect((await first).status).toBe(201);
      expect(await scene.stats()).toMatchObject({ charges: 1 });
    });

    it('charges once however many requests with one key arrive together', async () => {
      const answers = await Promise.all(Array.from({ length: 20 }, () => scene.charge('k-1')));
      expect(answers.filter((answer) => answer.status === 201)).toHaveLength(1);
      expect(answers.every((answer) => [200, 201, 409].includes(answer.status))).toBe(true);
      expect(await scene.stats()).toMatchObject({ charges: 1 });
    });

    it('answers also what comes wrong while it stops', async () => {
      const socket = connect(Number(new URL(await scene.app.getUrl()).port), '127.0.0.1');
      const ended = once(socket, 'close');
      let answer = '';
      socket.on('data', (chunk) => (answer += String(chunk)));
      const headers = [
        'host: x',
        'idempotency-key: k',
        'content-type: application/json',
        'content-length: 10',
      ];
      socket.write(`POST /charges HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n{`);
      await once(scene.app.getHttpServer(), 'request');
      const closed = scene.app.close();
      await waitFor('the stop', () => Promise.resolve(!scene.app.getHttpServer().listening));
      socket.write('"wrong":1');
      await Promise.all([ended, closed]);
      expect(answer).toMatch(/^HTTP\/1\.1 (400|503) .*connection: close/is);
    });

    it.each([
      ['no key', undefined],
      ['a key with a space', 'a b'],
      ['a key of 256 characters', 'x'.repeat(256)],
    ])('answers 400 to %s', async (_case, key) => {
      const response = await scene.call('POST', '/charges', ORDER, key);
      expect(response.status).toBe(400);
      expect(response.body.errors[0].field).toBe('Idempotency-Key');
    });

    it('takes the longest key in a path', async () => {
      const key = '%'.repeat(255);
      await scene.charge(key);
      expect((await scene.call('GET', `/charges/${encodeURIComponent(key)}`)).status).toBe(200);
    });

    it('answers 400 to a body that is no charge', async () => {
      const response = await scene.charge('k-1', { orderId: '', amountMinor: 1.5, currency: 'euro' });
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
      const response = await scene.charge('k-1', body);
      expect(response.status).toBe(400);
      expect(response.headers.get('content-type')).toContain('application/problem+json');
      expect(response.body.errors[0].field).toBe(field);
      expect(await scene.stats()).toMatchObject({ charges: 0 });
    });

    it('answers 400 to a body that is no JSON', async () => {
      const response = await fetch(`${await scene.app.getUrl()}/charges`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': 'k-1' },
        body: '{"orderId"',
      });
      expect(response.status).toBe(400);
    });

    it('answers 404 for a key without a charge', async () => {
      expect((await scene.call('GET', '/charges/unknown')).status).toBe(404);
    });
  });

  describe('closed keys', () => {
    const close = (key: string) => scene.call('POST', `/charges/${key}/close`);

    it('are never charged, also after a restart', async () => {
      expect(await close('k-1')).toMatchObject({ status: 201, body: { status: 'closed' } });
      await scene.restart();
      expect(await scene.charge('k-1')).toMatchObject({ status: 200, body: { status: 'closed' } });
      expect((await scene.call('GET', '/charges/k-1')).body.status).toBe('closed');
      expect((await close('k-1')).status).toBe(200);
      expect((await scene.refund('k-1')).status).toBe(409);
      expect(await scene.stats()).toMatchObject({ charges: 0, amountMinor: 0 });
    });

    it('keep the charge that was made before', async () => {
      const { body } = await scene.charge('k-1');
      expect(await close('k-1')).toMatchObject({ status: 200, body });
      expect(await scene.stats()).toMatchObject({ charges: 1 });
    });

    it('are not closed while a charge is in flight', async () => {
      await scene.setFaults({ mode: 'slow', latencyMs: 300 });
      const first = scene.charge('k-1');
      await scene.untilInFlight('k-1');
      expect((await close('k-1')).status).toBe(409);
      expect((await first).status).toBe(201);
    });
  });

  describe('refunds', () => {
    it('take effect once', async () => {
      await scene.charge('k-1');
      const first = await scene.refund('k-1');
      const second = await scene.refund('k-1');
      expect([first.status, second.status]).toEqual([201, 200]);
      expect(second.body).toEqual(first.body);
      expect(await scene.stats()).toMatchObject({ charges: 1, refunds: 1, amountMinor: 0 });
    });

    it('are refused for a key without a charge and for a declined charge', async () => {
      await scene.setFaults({ mode: 'decline' });
      await scene.charge('k-1');
      expect((await scene.refund('unknown')).status).toBe(404);
      expect((await scene.refund('k-1')).status).toBe(409);
    });
  });

  describe('ledger', () => {
    it('counts a second charge for one order, under another key, as a duplicate', async () => {
      await scene.charge('k-1');
      await scene.charge('k-2');
      await scene.charge('k-3', { ...ORDER, orderId: 'o-2' });
      expect(await scene.stats()).toMatchObject({
        charges: 3,
        distinctOrders: 2,
        duplicateCharges: 1,
        amountMinor: 5997,
      });
    });

    it('survives a restart', async () => {
      const first = await scene.charge('k-1');
      await scene.charge('k-2', { ...ORDER, orderId: 'o-2' });
      await scene.refund('k-2');
      const before = await scene.stats();
      await scene.restart();
      expect(await scene.stats()).toEqual(before);
      expect((await scene.charge('k-1')).body).toEqual(first.body);
      expect((await scene.refund('k-2')).status).toBe(200);
    });

    it('is not opened when a whole line of it is no record', async () => {
      await writeFile(scene.file, '{"type":"charge"}\n');
      await expect(Ledger.open(scene.file)).rejects.toThrow(LedgerCorruptError);
      await expect(Ledger.open(scene.file)).rejects.toThrow(/Line 1 of .*ledger\.ndjson/);
    });
  });

  it('serves its health and metrics', async () => {
    for (const path of ['live', 'ready', 'startup']) {
      expect((await scene.call('GET', `/health/${path}`)).status).toBe(200);
    }
    const metrics = await fetch(`${await scene.app.getUrl()}/metrics`);
    expect(await metrics.text()).toContain('service="payment-gateway"');
  });
});
