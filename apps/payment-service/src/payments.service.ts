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
import { NONE, stepOf, type PaymentStep } from './payment-state.js';
import type { Change, Changed, Payment } from './payment.js';
import { PaymentsRepository } from './payments.repository.js';

/** Longest id that the contract of the events takes. */
const MAX_ID_LENGTH = 64;
/** Of a question about a key that may have been used at any time. */
const LONG_AGO = new Date(0);
/** Longest that the calls of a step may take together; each has a time-out of its own. */
const CALLS_DEADLINE_MS = 20_000;
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
  async charge(order: OrderCreated, orderedAt: Date = new Date()): Promise<void> {
    await this.finish(await this.payments.change({ ...priceOf(order), ...this.openingOf(order, orderedAt) }));
  }

  /**
   * Charges an order that an operator sent once more, however old it is. It may have been charged by what a database that was
   * set back does not know of, when the provider has forgotten its key: the provider is asked before.
   */
  async chargeAgain(order: OrderCreated): Promise<void> {
    const changed = await this.payments.change({ ...priceOf(order), event: 'recall' });
    const { payment } = changed;
    if (payment.state !== 'void' && payment.state !== 'declined') return this.finish(changed);
    const earlier = await this.lookUp(payment);
    if (earlier?.status === 'succeeded') await this.finish(await this.record(payment, earlier));
  }

  /** Sees to it that a cancelled order keeps nobody's money: closes its key, or refunds its charge. */
  async cancel({ orderId }: OrderCancelled): Promise<void> {
    await this.finish(await this.payments.change({ orderId, event: 'cancel' }));
  }

  /** Goes on with a payment that somebody else left unfinished. */
  async resume(payment: Payment): Promise<void> {
    await this.finish({ from: payment.state, payment });
  }

  /** Somebody goes on with the payment of an order, whatever becomes of the message that brought it. */
  isUnsettled(orderId: string): Promise<boolean> {
    return this.payments.isUnsettled(orderId);
  }

  private openingOf(
    { createdAt }: OrderCreated,
    orderedAt: Date,
  ): Pick<Change, 'event' | 'reason' | 'sentAt'> {
    if (this.isOverdue(orderedAt)) return this.expiry();
    // An outbox that was set back publishes as new what was charged long ago.
    const knownSince = new Date(Math.min(createdAt, orderedAt.getTime()));
    if (this.isKeyForgotten(knownSince)) return { event: 'recall' };
    return this.guard.isOpen ? { event: 'ordered' } : { event: 'send', sentAt: knownSince };
  }

  private async finish(changed: Changed): Promise<void> {
    for (let latest = changed; ;) {
      const step = stepOf(latest.payment.state);
      if (!step) return;
      latest = await this.steps[step](latest);
    }
  }

  private async chargeOnce({ from, payment }: Changed): Promise<Changed> {
    const { orderId, state, sentAt } = payment;
    const isOverdue = this.isOverdue(payment.createdAt);
    if (state === 'intent') {
      if (isOverdue) return this.payments.change({ orderId, ...this.expiry() });
      this.guard.assertClosed();
      return this.payments.change({ orderId, event: 'recall' });
    }
    if (!sentAt) return this.search(payment);
    const request = toRequest(payment);
    // Only who opened the payment knows that nobody has called before.
    const charge = () =>
      from === NONE ? this.gateway.charge(request) : this.askAndCharge(request, isOverdue);
    return this.record(payment, await this.call(payment, 'charge_lost', charge, freeCharge(orderId)));
  }

  private async closeKey(payment: Payment): Promise<Changed> {
    if (!payment.sentAt) return this.search(payment);
    const close = () => this.gateway.close(toRequest(payment));
    return this.record(payment, await this.call(payment, 'charge_lost', close, { status: 'voided' }));
  }

  /**
   * Looks for a charge that this database may have forgotten and the provider's idempotency, too. Its records may lag behind,
   * so the key is asked afterwards; the time is kept before, because that question is the first use of a forgotten key.
   */
  private async search(payment: Payment): Promise<Changed> {
    const search = () => this.gateway.find({ ...toRequest(payment), sentAt: LONG_AGO });
    const earlier = await this.call(payment, 'charge_lost', search, undefined);
    return earlier
      ? this.record(payment, earlier)
      : this.payments.change({ orderId: payment.orderId, event: 'searched' });
  }

  /** What became of the key of a payment that came to its end without a charge: by the provider's records and by the key itself. */
  private lookUp(payment: Payment): Promise<ChargeResult | undefined> {
    const find = (sentAt: Date) => this.gateway.find({ ...toRequest(payment), sentAt });
    const ask = async () => (await find(LONG_AGO)) ?? (await find(new Date()));
    return this.call(payment, 'charge_lost', ask, undefined);
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
    return this.isKeyForgotten(request.sentAt) || isOverdue
      ? this.gateway.close(request)
      : this.gateway.charge(request);
  }

  private isKeyForgotten(usedAt: Date): boolean {
    return Date.now() - usedAt.getTime() >= this.gateway.keyLifetimeMs;
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
      return await this.guard.execute(() => withDeadline(request()));
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

function priceOf({ orderId, totalMinor: amountMinor, currency }: OrderCreated): Omit<Change, 'event'> {
  return { orderId, amountMinor, currency };
}

function toRequest({ gatewayKey: key, orderId, amountMinor, currency, sentAt }: Payment): ChargeRequest {
  return { key, orderId, amountMinor, currency, sentAt: sentAt ?? LONG_AGO };
}

/** A handler that timed out would cost its message an attempt, for a slowness that is none of its fault. */
function withDeadline<T>(answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const giveUp = () => reject(new AnswerLostError('the gateway took too long'));
    const timer = setTimeout(giveUp, CALLS_DEADLINE_MS).unref();
    answer.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
