import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  AnswerLostError,
  ChargePendingError,
  GatewayUnavailableError,
  KeyMisusedError,
  type ChargeRequest,
} from '../src/payment-gateway.js';
import { StripeGateway } from '../src/stripe.gateway.js';
import { describeGateway } from './gateway-contract.js';
import { describeWithIpv6 } from './ipv6.js';
import { StripeStandIn, type StripeFault } from './stripe-stand-in.js';

const HOUR_MS = 3_600_000;

async function start() {
  const stripe = new StripeStandIn();
  const apiBase = await stripe.start();
  const gateway = new StripeGateway({ apiKey: stripe.apiKey, apiBase, paymentMethod: 'pm_card_visa' });
  return { stripe, apiBase, gateway };
}

describeGateway('of Stripe', async () => {
  const { stripe, gateway } = await start();
  let isRunning = true;
  return {
    gateway,
    totals: () => Promise.resolve({ charges: stripe.charges, refunds: stripe.refunds }),
    setFault: async (fault: StripeFault) => {
      stripe.fault = fault;
      if (fault === 'none') stripe.release();
      await Promise.resolve();
    },
    stop: async () => {
      if (isRunning) await stripe.stop();
      isRunning = false;
    },
  };
});

describe('Stripe', () => {
  let stripe: StripeStandIn;
  let gateway: StripeGateway;
  let apiBase: string;
  const request: ChargeRequest = {
    key: 'charge-o-1',
    orderId: 'o-1',
    amountMinor: 1_999,
    currency: 'EUR',
    sentAt: new Date(),
  };
  const aDayAgo = { ...request, sentAt: new Date(Date.now() - 25 * HOUR_MS) };

  beforeEach(async () => {
    ({ stripe, gateway, apiBase } = await start());
  });

  afterEach(() => stripe.stop());

  it('is told the order and the key, and charged in two calls', async () => {
    expect(await gateway.charge(request)).toEqual({ status: 'succeeded', chargeId: 'pi_1' });
    expect(stripe.requests).toEqual(['POST /v1/payment_intents', 'POST /v1/payment_intents/pi_1/confirm']);
    stripe.index();
    expect(await gateway.find(aDayAgo)).toMatchObject({ chargeId: 'pi_1' });
  });

  describeWithIpv6('at an IPv6 literal', () => {
    it('is reached', async () => {
      const literal = new StripeStandIn();
      const there = { apiKey: literal.apiKey, apiBase: await literal.start('[::1]') };
      gateway = new StripeGateway({ ...there, paymentMethod: 'pm_card_visa' });
      expect(await gateway.charge(request)).toMatchObject({ status: 'succeeded' });
      await literal.stop();
    });
  });

  it('is asked by searching once it has forgotten the key, and creates nothing', async () => {
    await gateway.charge(request);
    stripe.forgetKeys();
    stripe.index();
    stripe.requests.length = 0;
    expect(await gateway.find(aDayAgo)).toMatchObject({ status: 'succeeded' });
    expect(await gateway.close(aDayAgo)).toMatchObject({ status: 'succeeded' });
    expect(stripe.requests.filter((asked) => asked === 'POST /v1/payment_intents')).toEqual([]);
  });

  it('is searched for what was made for another payment method, once the search must know of it', async () => {
    await gateway.charge(request);
    stripe.index();
    const other = new StripeGateway({ apiKey: stripe.apiKey, apiBase, paymentMethod: 'pm_card_mastercard' });
    await expect(other.close(request)).rejects.toBeInstanceOf(KeyMisusedError);
    const hoursAgo = { ...request, sentAt: new Date(Date.now() - 3 * HOUR_MS) };
    expect(await other.close(hoursAgo)).toMatchObject({ status: 'succeeded', chargeId: 'pi_1' });
    expect(await other.find(hoursAgo)).toMatchObject({ status: 'succeeded', chargeId: 'pi_1' });
  });

  it('cancels an intent that was created a day ago and never confirmed', async () => {
    await gateway.find(request);
    stripe.forgetKeys();
    stripe.index();
    expect(await gateway.close(aDayAgo)).toEqual({ status: 'voided' });
    expect(await gateway.find(aDayAgo)).toEqual({ status: 'voided' });
  });

  it('has nothing to cancel when the key of a day ago never arrived', async () => {
    expect(await gateway.find(aDayAgo)).toBeUndefined();
    expect(await gateway.close(aDayAgo)).toEqual({ status: 'voided' });
  });

  it('is asked again about a payment that it has not decided', async () => {
    stripe.fault = 'process';
    await expect(gateway.charge(request)).rejects.toBeInstanceOf(ChargePendingError);
    await expect(gateway.find(request)).rejects.toBeInstanceOf(ChargePendingError);
    await expect(gateway.close(request)).rejects.toBeInstanceOf(ChargePendingError);
  });

  it('declines what it failed to create and will answer so for a day', async () => {
    stripe.fault = 'break';
    await expect(gateway.charge(request)).rejects.toThrow('An unknown error occurred');
    stripe.fault = 'none';
    expect(await gateway.find(request)).toBeUndefined();
    expect(await gateway.charge(request)).toMatchObject({ status: 'declined' });
    expect(stripe.charges).toBe(0);
  });

  it('is asked what became of a confirmation that failed inside of it, for its answer stays the same', async () => {
    stripe.fault = 'break-after';
    await expect(gateway.charge(request)).rejects.toThrow('An unknown error occurred');
    stripe.fault = 'none';
    // As by a process that asked before the money moved, and found nothing.
    expect(await gateway.charge(request)).toEqual({ status: 'succeeded', chargeId: 'pi_1' });
    expect(stripe.charges).toBe(1);
  });

  it('closes a key whose confirmation failed inside of it and charged nothing', async () => {
    stripe.fault = 'break-before';
    await expect(gateway.charge(request)).rejects.toThrow('An unknown error occurred');
    stripe.fault = 'none';
    expect(await gateway.charge(request)).toEqual({ status: 'voided' });
    expect(await gateway.find(request)).toEqual({ status: 'voided' });
    expect(stripe.charges).toBe(0);
  });

  it('declines an amount that it does not take, and one that it cannot express', async () => {
    expect(await gateway.charge({ ...request, amountMinor: 1 })).toMatchObject({ status: 'declined' });
    const odd = { ...request, key: 'charge-o-2', currency: 'KWD', amountMinor: 5_124 };
    expect(await gateway.charge(odd)).toMatchObject({ status: 'declined' });
    expect(await gateway.close(odd)).toEqual({ status: 'voided' });
  });

  it('gives back what was given back by hand', async () => {
    await gateway.charge(request);
    const refund = { key: request.key, chargeId: 'pi_1' };
    expect(await gateway.refund(refund)).toEqual({ status: 'succeeded' });
    stripe.forgetKeys();
    expect(await gateway.refund(refund)).toEqual({ status: 'succeeded' });
    expect(stripe.refunds).toBe(1);
  });

  it('declines the refund of a charge that can have none, and is not down for that', async () => {
    await gateway.charge(request);
    stripe.fault = 'dispute';
    expect(await gateway.refund({ key: request.key, chargeId: 'pi_1' })).toEqual({
      status: 'declined',
      reason: 'charge_disputed',
    });
  });

  it('is not down, and takes orders, when it cannot make a refund yet', async () => {
    await gateway.charge(request);
    stripe.fault = 'poor';
    const refund = { key: request.key, chargeId: 'pi_1' };
    await expect(gateway.refund(refund)).rejects.toBeInstanceOf(ChargePendingError);
  });

  it('is not down when it answers a refund with the failure it has recorded, and refunds once it forgot', async () => {
    await gateway.charge(request);
    const refund = { key: request.key, chargeId: 'pi_1' };
    stripe.fault = 'break';
    await expect(gateway.refund(refund)).rejects.toBeInstanceOf(AnswerLostError);
    stripe.fault = 'none';
    await expect(gateway.refund(refund)).rejects.toBeInstanceOf(ChargePendingError);
    stripe.forgetKeys();
    expect(await gateway.refund(refund)).toEqual({ status: 'succeeded' });
  });

  it('that locks us out is down for us, and no reason to decline anything', async () => {
    const locked = new StripeGateway({ apiKey: 'sk_wrong', apiBase, paymentMethod: 'pm_card_visa' });
    await expect(locked.charge(request)).rejects.toBeInstanceOf(GatewayUnavailableError);
  });
});
