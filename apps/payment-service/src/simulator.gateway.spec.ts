import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { describeWithIpv6 } from '../test/ipv6.js';
import {
  AnswerLostError,
  ChargePendingError,
  GatewayUnavailableError,
  KeyMisusedError,
} from './payment-gateway.js';
import { SimulatorGateway } from './simulator.gateway.js';

interface Answer {
  readonly status: number;
  readonly body?: string;
  readonly headers?: Record<string, string>;
}

const REQUEST = { key: 'charge-o-1', orderId: 'o-1', amountMinor: 1999, currency: 'EUR', sentAt: new Date() };
const REFUND = { key: REQUEST.key, chargeId: 'ch_1' };
const CHARGE = { chargeId: 'ch_1', status: 'succeeded' };

describe('simulator gateway', () => {
  let server: Server;
  let gateway: SimulatorGateway;
  let answer: Answer;

  beforeEach(async () => {
    server = createServer((_, response) => {
      response.writeHead(answer.status, { connection: 'close', ...answer.headers }).end(answer.body);
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    gateway = new SimulatorGateway(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  });

  afterEach(() => new Promise((closed) => server.close(closed)));

  const chargeError = () => gateway.charge(REQUEST).catch((error: unknown) => error);

  it('reads a charge', async () => {
    answer = { status: 201, body: JSON.stringify(CHARGE) };
    expect(await gateway.charge(REQUEST)).toEqual(CHARGE);
    expect(await gateway.find(REQUEST)).toEqual(CHARGE);
  });

  describeWithIpv6('at an IPv6 literal', () => {
    it('is reached', async () => {
      answer = { status: 201, body: JSON.stringify(CHARGE) };
      const literal = createServer(server.listeners('request')[0] as RequestListener);
      await new Promise<void>((listening) => literal.listen(0, '::1', listening));
      const { port } = literal.address() as AddressInfo;
      expect(await new SimulatorGateway(`http://[::1]:${port}`).charge(REQUEST)).toEqual(CHARGE);
      await new Promise((closed) => literal.close(closed));
    });
  });

  it('reads a decline', async () => {
    answer = { status: 201, body: JSON.stringify({ ...CHARGE, status: 'declined' }) };
    expect(await gateway.charge(REQUEST)).toMatchObject({ status: 'declined' });
  });

  it.each([400, 402, 413])('takes %i for a refused charge', async (status) => {
    answer = { status };
    expect(await gateway.charge(REQUEST)).toMatchObject({ status: 'declined' });
    await expect(gateway.find(REQUEST)).rejects.toThrow(`${status}`);
    await expect(gateway.refund(REFUND)).rejects.toThrow(`${status}`);
  });

  it.each([401, 403, 404, 405, 425])('blames the gateway and not the charge for %i', async (status) => {
    answer = { status };
    expect(await chargeError()).toBeInstanceOf(GatewayUnavailableError);
  });

  it('raises an alarm when the key stands for another charge', async () => {
    answer = { status: 422 };
    expect(await chargeError()).toBeInstanceOf(KeyMisusedError);
  });

  it('reads that a key is closed', async () => {
    answer = { status: 201, body: JSON.stringify({ status: 'closed', createdAt: 'now' }) };
    expect(await gateway.close(REQUEST)).toEqual({ status: 'voided' });
    expect(await gateway.charge(REQUEST)).toEqual({ status: 'voided' });
  });

  it('takes 404 for a key that was never charged when it asks, and only then', async () => {
    answer = { status: 404 };
    expect(await gateway.find(REQUEST)).toBeUndefined();
    await expect(gateway.charge(REQUEST)).rejects.toThrow('404');
  });

  it('takes a refund of a charge that the gateway has lost for no outage', async () => {
    answer = { status: 404 };
    await expect(gateway.refund(REFUND)).rejects.toBeInstanceOf(ChargePendingError);
  });

  it.each([
    [429, GatewayUnavailableError],
    [503, GatewayUnavailableError],
    [409, ChargePendingError],
    [500, AnswerLostError],
  ])('waits no shorter than %i asks it to, and leaves the backoff in force', async (status, type) => {
    answer = { status, headers: { 'retry-after': '2' } };
    const error = await chargeError();
    expect(error).toBeInstanceOf(type);
    expect(error).toMatchObject({ delayMs: undefined, notBeforeMs: 2_000 });
  });

  it.each([
    ['an unknown status', JSON.stringify({ ...CHARGE, status: 'pending' })],
    ['a missing id', JSON.stringify({ status: 'succeeded' })],
    ['an id that no event can carry', JSON.stringify({ ...CHARGE, chargeId: 'a b' })],
    ['a page', '<html></html>'],
    ['nothing', ''],
  ])('does not know about the charge after %s', async (_, body) => {
    answer = { status: 200, body };
    expect(await chargeError()).toBeInstanceOf(AnswerLostError);
    await expect(gateway.find(REQUEST)).rejects.toBeInstanceOf(AnswerLostError);
  });

  it.each([408, 500, 502])('does not know about the charge after %i', async (status) => {
    answer = { status };
    expect(await chargeError()).toBeInstanceOf(AnswerLostError);
  });
});
