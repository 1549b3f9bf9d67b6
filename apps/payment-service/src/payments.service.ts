import { Injectable } from '@nestjs/common';
import {
  encodeEvent,
  newEvent,
  paymentCompletedV1,
  paymentFailedV1,
  paymentRefundedV1,
  type OrderCancelled,
  type OrderCreated,
} from '@slipstream/contracts';
import { Outbox } from '@slipstream/outbox';
import { DataSource } from 'typeorm';
import { ChargeUnknownError, PaymentGateway, type ChargeResult } from './payment-gateway.js';
import { PaymentsRepository, type Payment, type UnsettledPayment } from './payments.repository.js';

const SOURCE = 'payment-service';
/** Longest id that the contract of the events takes. */
const MAX_ID_LENGTH = 64;

/**
 * Moves payments through `sent → succeeded | declined | unknown | void` and `succeeded → refunding → refunded`. Gateway
 * calls are made outside of any transaction; each result is committed together with the event that tells it.
 */
@Injectable()
export class PaymentsService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly payments: PaymentsRepository,
    private readonly gateway: PaymentGateway,
    private readonly outbox: Outbox,
  ) {}

  /** Charges an order at most once. The key is committed before the first call. */
  async charge(order: OrderCreated): Promise<void> {
    const payment = await this.payments.send(order);
    if (payment) await this.resume(payment);
  }

  /**
   * Refunds what was charged for a cancelled order; an order not charged yet never will be. Whoever has a charge under
   * way refunds it.
   */
  async cancel(order: OrderCancelled): Promise<void> {
    const payment = await this.payments.cancel(order.orderId);
    if (payment.state === 'refunding') await this.refund(payment);
  }

  /** Brings a payment to its end from whatever state an earlier attempt left it in. */
  async resume(payment: UnsettledPayment): Promise<void> {
    const latest = payment.state === 'refunding' ? payment : await this.settle(payment);
    if (latest?.state === 'refunding') await this.refund(latest);
  }

  private async settle(payment: UnsettledPayment): Promise<Payment | undefined> {
    const result = await this.resolve(payment);
    if (!result) {
      await this.payments.markVoid(payment.orderId);
      return undefined;
    }
    return this.dataSource.transaction(async (tx) => {
      const finished = await this.payments.finish(tx, payment.orderId, result);
      if (finished) await this.outbox.append(tx, [chargeEvent(payment, result)]);
      return finished;
    });
  }

  /**
   * An earlier call may have charged without our knowing: then the gateway is asked before it is told again.
   * @returns nothing when the order is cancelled and was never charged
   */
  private async resolve(payment: UnsettledPayment): Promise<ChargeResult | undefined> {
    const { gatewayKey: key, orderId, amountMinor, currency, cancelRequested } = payment;
    if (isFree(payment)) return cancelRequested ? undefined : freeCharge(orderId);
    try {
      const earlier = payment.isRetry ? await this.gateway.find(key) : undefined;
      if (earlier || cancelRequested) return earlier;
      return await this.gateway.charge({ key, orderId, amountMinor, currency });
    } catch (error) {
      if (error instanceof ChargeUnknownError) await this.payments.markUnknown(orderId);
      throw error;
    }
  }

  private async refund(payment: Payment): Promise<void> {
    const { orderId, gatewayKey, chargeId, amountMinor, currency } = payment;
    if (!isFree(payment)) await this.gateway.refund(gatewayKey);
    await this.dataSource.transaction(async (tx) => {
      if (!(await this.payments.finishRefund(tx, orderId))) return;
      const event = { ...newEvent(orderId), chargeId, amountMinor, currency };
      await this.outbox.append(tx, [encodeEvent(paymentRefundedV1, event, SOURCE)]);
    });
  }
}

/** The gateway takes no charge of nothing. */
function isFree({ amountMinor }: Payment): boolean {
  return amountMinor === 0;
}

function freeCharge(orderId: string): ChargeResult {
  return { status: 'succeeded', chargeId: `free-${orderId}`.slice(0, MAX_ID_LENGTH) };
}

function chargeEvent({ orderId, amountMinor, currency }: Payment, result: ChargeResult) {
  return result.status === 'succeeded'
    ? encodeEvent(
        paymentCompletedV1,
        { ...newEvent(orderId), chargeId: result.chargeId, amountMinor, currency },
        SOURCE,
      )
    : encodeEvent(paymentFailedV1, { ...newEvent(orderId), reason: result.reason }, SOURCE);
}
