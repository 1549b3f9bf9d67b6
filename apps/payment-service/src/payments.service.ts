import { Inject, Injectable, Logger } from '@nestjs/common';
import type { OrderCancelled, OrderCreated } from '@slipstream/contracts';
import { CONFIG, type Config } from './config.js';
import { GatewayGuard } from './gateway-guard.js';
import {
  AnswerLostError,
  PaymentGateway,
  type ChargeRequest,
  type ChargeResult,
  type RefundResult,
} from './payment-gateway.js';
import { stepOf, type PaymentStep } from './payment-state.js';
import type { Change, Changed, Payment } from './payment.js';
import { PaymentsRepository } from './payments.repository.js';

/** Longest id that the contract of the events takes. */
const MAX_ID_LENGTH = 64;
const GIVEN_UP = 'the provider could not be asked for so long that the order is not charged any more';

/**
 * Brings payments to their end. Each step commits what it is about to do, calls the gateway outside of any transaction,
 * and commits the result together with the event that tells it; wherever a process dies, the next one finds in the row
 * what may have happened and asks.
 */
@Injectable()
export class PaymentsService {
  private readonly logger = new Logger(PaymentsService.name);
  private readonly steps: Readonly<Record<PaymentStep, (changed: Changed) => Promise<Changed>>> = {
    charge: (changed) => this.chargeOnce(changed),
    close: ({ payment }) => this.closeKey(payment),
    refund: ({ payment }) => this.refundOnce(payment),
  };

  constructor(
    private readonly payments: PaymentsRepository,
    private readonly gateway: PaymentGateway,
    private readonly guard: GatewayGuard,
    @Inject(CONFIG) private readonly config: Pick<Config, 'ORDER_TIMEOUT'>,
  ) {}

  /**
   * Charges an order at most once. After its time-out it is not charged any more: order-service cancels it, or has done so
   * in a message that waits behind this one, and the money would only have to be given back.
   * @param orderedAt since when the order waits
   */
  async charge(
    { orderId, totalMinor: amountMinor, currency }: OrderCreated,
    orderedAt: Date = new Date(),
  ): Promise<void> {
    const order = { orderId, amountMinor, currency };
    const change: Change = this.isOverdue(orderedAt)
      ? { ...order, ...this.expiry() }
      : { ...order, event: this.guard.isOpen ? 'ordered' : 'send' };
    await this.finish(await this.payments.change(change));
  }

  /** Sees to it that a cancelled order keeps nobody's money: closes its key, or refunds its charge. */
  async cancel({ orderId }: OrderCancelled): Promise<void> {
    await this.finish(await this.payments.change({ orderId, event: 'cancel' }));
  }

  /** Goes on with a payment that somebody else left unfinished. */
  async resume(payment: Payment): Promise<void> {
    await this.finish({ from: payment.state, payment });
  }

  private async finish(changed: Changed): Promise<void> {
    for (let latest = changed; ;) {
      const step = stepOf(latest.payment.state);
      if (!step) return;
      latest = await this.steps[step](latest);
    }
  }

  private async chargeOnce(changed: Changed): Promise<Changed> {
    const { orderId, createdAt } = changed.payment;
    const isOverdue = this.isOverdue(createdAt);
    if (changed.payment.state === 'intent') {
      if (isOverdue) return this.payments.change({ orderId, ...this.expiry() });
      this.guard.assertClosed();
      return this.payments.change({ orderId, event: 'send' });
    }
    // Only who moved the payment to `sent` knows that nobody has called before.
    const isFirstCall = changed.from === 'none' || changed.from === 'intent';
    const request = toRequest(changed.payment);
    const charge = () => (isFirstCall ? this.gateway.charge(request) : this.askAndCharge(request, isOverdue));
    return this.record(
      changed.payment,
      await this.call(changed.payment, 'charge_lost', charge, freeCharge(orderId)),
    );
  }

  private async closeKey(payment: Payment): Promise<Changed> {
    const close = () => this.gateway.close(toRequest(payment));
    return this.record(payment, await this.call(payment, 'charge_lost', close, { status: 'voided' }));
  }

  private async refundOnce({ orderId }: Payment): Promise<Changed> {
    const { payment } = await this.payments.change({ orderId, event: 'refund_send' });
    const { gatewayKey: key, chargeId, amountMinor, currency } = payment;
    const refund = () => this.gateway.refund({ key, chargeId: chargeId ?? '' });
    const result = await this.call<RefundResult>(payment, 'refund_lost', refund, { status: 'succeeded' });
    if (result.status === 'succeeded') return this.payments.change({ orderId, event: 'refund_succeeded' });
    const { reason } = result;
    // Before the commit: who dies in between asks again and tells again, rather than never.
    this.logger.error(
      { orderId, amountMinor, currency, reason },
      'refund declined, give the money back by hand',
    );
    return this.payments.change({ orderId, event: 'refund_declined', reason });
  }

  /** An earlier call may have charged without our knowing: the gateway is asked before it is told again. */
  private async askAndCharge(request: ChargeRequest, isOverdue: boolean): Promise<ChargeResult> {
    const earlier = await this.gateway.find(request);
    if (earlier) return earlier;
    const isKeyForgotten = Date.now() - request.sentAt.getTime() >= this.gateway.keyLifetimeMs;
    return isKeyForgotten || isOverdue ? this.gateway.close(request) : this.gateway.charge(request);
  }

  private isOverdue(since: Date): boolean {
    return Date.now() - since.getTime() >= this.config.ORDER_TIMEOUT * 1_000;
  }

  private expiry(): Pick<Change, 'event' | 'reason'> {
    return { event: 'expire', reason: `not paid within ${this.config.ORDER_TIMEOUT} s` };
  }

  /** The gateway takes no charge of nothing; `ifFree` is what comes of one. */
  private async call<Result>(
    { orderId, amountMinor }: Payment,
    lost: 'charge_lost' | 'refund_lost',
    request: () => Promise<Result>,
    ifFree: Result,
  ): Promise<Result> {
    if (amountMinor === 0) return ifFree;
    try {
      return await this.guard.execute(request);
    } catch (error) {
      if (error instanceof AnswerLostError) await this.payments.change({ orderId, event: lost });
      throw error;
    }
  }

  private record({ orderId }: Payment, result: ChargeResult): Promise<Changed> {
    return this.payments.change({ orderId, ...changeOf(result) });
  }
}

function changeOf(result: ChargeResult): Omit<Change, 'orderId'> {
  switch (result.status) {
    case 'succeeded':
      return { event: 'charge_succeeded', chargeId: result.chargeId };
    case 'declined':
      return { event: 'charge_declined', reason: result.reason };
    case 'voided':
      return { event: 'charge_voided', reason: GIVEN_UP };
  }
}

function freeCharge(orderId: string): ChargeResult {
  return { status: 'succeeded', chargeId: `free-${orderId}`.slice(0, MAX_ID_LENGTH) };
}

function toRequest({ gatewayKey: key, orderId, amountMinor, currency, sentAt }: Payment): ChargeRequest {
  return { key, orderId, amountMinor, currency, sentAt: sentAt ?? new Date() };
}
