import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { waitFor } from '@slipstream/testing';
import {
  AnswerLostError,
  ChargePendingError,
  GatewayUnavailableError,
  KeyMisusedError,
  type ChargeRequest,
  type PaymentGateway,
} from '../src/payment-gateway.js';

export type GatewayFault =
  | 'none'
  | 'throttle'
  | 'decline'
  /** Money moves, and the answer is lost. */
  | 'lose'
  /** A charge takes until the fault ends. */
  | 'hold';

/** A provider and the adapter that reaches it. */
export interface GatewayUnderTest {
  readonly gateway: PaymentGateway;
  totals(): Promise<{ charges: number; refunds: number }>;
  setFault(fault: GatewayFault): Promise<void>;
  /** Lets nobody connect any more. */
  stop(): Promise<void>;
}

let count = 0;

/** What every adapter promises, whatever its provider is like. */
export function describeGateway(name: string, start: () => Promise<GatewayUnderTest>): void {
  describe(`the gateway ${name}`, () => {
    let tested: GatewayUnderTest;
    let gateway: PaymentGateway;
    let request: ChargeRequest;

    const refundOf = (chargeId: string) => ({ key: request.key, chargeId });
    const charged = async () => {
      const result = await gateway.charge(request);
      if (result.status !== 'succeeded') throw new Error(`the charge is ${result.status}`);
      return result;
    };

    beforeEach(async () => {
      tested = await start();
      ({ gateway } = tested);
      const orderId = `o-${++count}`;
      request = {
        key: `charge-${orderId}`,
        orderId,
        amountMinor: 1_999,
        currency: 'EUR',
        sentAt: new Date(),
      };
    });

    afterEach(() => tested.stop());

    it('charges a key once, however often it is sent', async () => {
      const first = await charged();
      expect(await gateway.charge(request)).toEqual(first);
      expect(await tested.totals()).toEqual({ charges: 1, refunds: 0 });
    });

    it('charges a key once that is sent many times at once', async () => {
      const results = await Promise.allSettled(Array.from({ length: 10 }, () => gateway.charge(request)));
      const failures = results.filter((result) => result.status === 'rejected');
      expect(failures.filter(({ reason }) => !(reason instanceof ChargePendingError))).toEqual([]);
      expect(await tested.totals()).toMatchObject({ charges: 1 });
    });

    it('knows what became of a key, and moves no money to find out', async () => {
      expect(await gateway.find(request)).toBeUndefined();
      expect(await tested.totals()).toMatchObject({ charges: 0 });
      const result = await charged();
      expect(await gateway.find(request)).toEqual(result);
    });

    it('tells a decline, and remembers it', async () => {
      await tested.setFault('decline');
      const declined = { status: 'declined', reason: expect.any(String) };
      expect(await gateway.charge(request)).toEqual(declined);
      await tested.setFault('none');
      expect(await gateway.find(request)).toEqual(declined);
      expect(await gateway.charge(request)).toEqual(declined);
      expect(await gateway.close(request)).toEqual(declined);
      expect(await tested.totals()).toMatchObject({ charges: 0 });
    });

    it('says that an answer was lost, and knows the charge when asked', async () => {
      await tested.setFault('lose');
      await expect(gateway.charge(request)).rejects.toBeInstanceOf(AnswerLostError);
      await tested.setFault('none');
      expect(await gateway.find(request)).toMatchObject({ status: 'succeeded' });
      expect(await tested.totals()).toMatchObject({ charges: 1 });
    });

    it('never charges a key that is closed', async () => {
      expect(await gateway.close(request)).toEqual({ status: 'voided' });
      expect(await gateway.close(request)).toEqual({ status: 'voided' });
      expect(await gateway.charge(request)).toEqual({ status: 'voided' });
      expect(await gateway.find(request)).toEqual({ status: 'voided' });
      expect(await tested.totals()).toMatchObject({ charges: 0 });
    });

    it('tells the charge of a key that is closed too late', async () => {
      const result = await charged();
      expect(await gateway.close(request)).toEqual(result);
    });

    it('never both closes a key and charges it, whichever comes first', async () => {
      await tested.setFault('hold');
      const charging = gateway.charge(request);
      await waitFor('the charge to be under way', () =>
        gateway.charge(request).then(
          () => false,
          (error: unknown) => error instanceof ChargePendingError,
        ),
      );
      const closed = await gateway.close(request).catch((error: unknown) => error);
      await tested.setFault('none');
      const result = await charging;
      const { charges } = await tested.totals();
      const isPending = closed instanceof ChargePendingError;
      expect(isPending || closed).toEqual(isPending || { status: 'voided' });
      expect([result.status, charges]).toEqual(isPending ? ['succeeded', 1] : ['voided', 0]);
    });

    it('refunds a charge once, also when the answer is lost', async () => {
      const { chargeId } = await charged();
      await tested.setFault('lose');
      await expect(gateway.refund(refundOf(chargeId))).rejects.toBeInstanceOf(AnswerLostError);
      await tested.setFault('none');
      expect(await gateway.refund(refundOf(chargeId))).toEqual({ status: 'succeeded' });
      expect(await gateway.refund(refundOf(chargeId))).toEqual({ status: 'succeeded' });
      expect(await tested.totals()).toEqual({ charges: 1, refunds: 1 });
    });

    it('says how long it wants to be left alone', async () => {
      await tested.setFault('throttle');
      const error = await gateway.charge(request).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(GatewayUnavailableError);
      expect((error as GatewayUnavailableError).notBeforeMs).toBeGreaterThanOrEqual(1_000);
      expect(await tested.totals()).toMatchObject({ charges: 0 });
    });

    it('certainly charges nothing when nobody is there', async () => {
      await tested.stop();
      await expect(gateway.charge(request)).rejects.toBeInstanceOf(GatewayUnavailableError);
      await expect(gateway.find(request)).rejects.toBeInstanceOf(GatewayUnavailableError);
      await expect(gateway.close(request)).rejects.toBeInstanceOf(GatewayUnavailableError);
      await expect(gateway.refund(refundOf('ch-1'))).rejects.toBeInstanceOf(GatewayUnavailableError);
    });

    it('raises an alarm for a key that stands for another amount', async () => {
      await charged();
      const other = { ...request, amountMinor: 2_000 };
      await expect(gateway.charge(other)).rejects.toBeInstanceOf(KeyMisusedError);
      expect(await tested.totals()).toMatchObject({ charges: 1 });
    });
  });
}
