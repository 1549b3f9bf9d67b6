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
import { IdempotencyRepository, type MessageIdentity } from '@slipstream/idempotency';
import { RetryableError } from '@slipstream/jetstream';
import { Outbox } from '@slipstream/outbox';
import { ChargeUnknownError, PaymentGateway, type ChargeResult } from './payment-gateway.js';
import { PaymentsRepository, type Payment } from './payments.repository.js';

const SOURCE = 'payment-service';

/** Moves payments through `sent → succeeded | declined | unknown` and `succeeded → refunding → refunded`. */
@Injectable()
export class PaymentsService {
  constructor(
    private readonly payments: PaymentsRepository,
    private readonly gateway: PaymentGateway,
    private readonly inbox: IdempotencyRepository,
    private readonly outbox: Outbox,
  ) {}

  /**
   * Charges an order at most once. The key is committed before the first call, the call is made outside of any
   * transaction, and its result is committed together with the event that tells it.
   */
  async charge(order: OrderCreated, message: MessageIdentity): Promise<void> {
    const { payment, isRetry } = await this.payments.send(order);
    if (!payment) return;
    const result = await this.resolve(payment, isRetry);
    await this.inbox.once(message, async (tx) => {
      if (!(await this.payments.finish(tx, payment.orderId, result))) return;
      await this.outbox.append(tx, [chargeEvent(payment, result)]);
    });
  }

  /** Refunds what was charged for a cancelled order; an order not charged yet never will be. */
  async refund(order: OrderCancelled, message: MessageIdentity): Promise<void> {
    const payment = await this.payments.beginRefund(order.orderId);
    if (payment.state === 'sent' || payment.state === 'unknown') {
      throw new RetryableError(`the charge of order ${order.orderId} is still under way`, { delayMs: 1_000 });
    }
    if (payment.state !== 'refunding') return;
    await this.gateway.refund(payment.gatewayKey);
    await this.inbox.once(message, async (tx) => {
      if (!(await this.payments.finishRefund(tx, order.orderId))) return;
      const { chargeId, amountMinor, currency } = payment;
      const event = { ...newEvent(order.orderId), chargeId, amountMinor, currency };
      await this.outbox.append(tx, [encodeEvent(paymentRefundedV1, event, SOURCE)]);
    });
  }

  /** An earlier call may have charged without our knowing: then the gateway is asked before it is told again. */
  private async resolve(payment: Payment, isRetry: boolean): Promise<ChargeResult> {
    const { gatewayKey: key, orderId, amountMinor, currency } = payment;
    try {
      const earlier = isRetry ? await this.gateway.find(key) : undefined;
      return earlier ?? (await this.gateway.charge({ key, orderId, amountMinor, currency }));
    } catch (error) {
      if (error instanceof ChargeUnknownError) await this.payments.markUnknown(orderId);
      throw error;
    }
  }
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
