import {
  newEvent,
  paymentCompletedV1,
  paymentFailedV1,
  paymentRefundedV1,
  type EncodedEvent,
  type EventEncoder,
} from '@slipstream/contracts';
import {
  announcementOf,
  transition,
  type NONE,
  type PaymentEvent,
  type PaymentState,
} from './payment-state.js';

export interface Payment {
  readonly orderId: string;
  readonly state: PaymentState;
  readonly gatewayKey: string;
  /** Null in a payment that was void before its order arrived. */
  readonly amountMinor: number;
  readonly currency: string;
  /** Of a payment that was charged. */
  readonly chargeId: string | null;
  readonly reason: string | null;
  /** When the gateway was first called. */
  readonly sentAt: Date | null;
  /** When this service first heard of the order. */
  readonly createdAt: Date;
}

/** Something that happened to the payment of an order. */
export interface Change {
  readonly orderId: string;
  readonly event: PaymentEvent;
  /** Of whatever brings an order. The first ones are kept: the key stands for one amount. */
  readonly amountMinor?: number;
  readonly currency?: string;
  /** Of `charge_succeeded`. */
  readonly chargeId?: string;
  /** Of whatever ends without a charge or without its refund. */
  readonly reason?: string;
}

/** A payment after a change, and where it came from. */
export interface Changed {
  readonly from: PaymentState | typeof NONE;
  readonly payment: Payment;
}

/** The payment after a change; the same object when the change means nothing to it. */
export function apply(payment: Payment, change: Change): Payment {
  const { event, chargeId, reason } = change;
  const state = transition(payment.state, event);
  if (state === payment.state) return payment;
  return {
    ...withPrice(payment, change),
    state,
    sentAt: payment.sentAt ?? (state === 'sent' ? new Date() : null),
    chargeId: chargeId ?? payment.chargeId,
    reason: reason ?? payment.reason,
  };
}

/** Adds what the order costs, which a cancellation that came before it did not say. */
export function withPrice(payment: Payment, { amountMinor, currency }: Change): Payment {
  return {
    ...payment,
    amountMinor: payment.amountMinor ?? amountMinor,
    currency: payment.currency ?? currency,
  };
}

/** The event that tells of a change, if any does. */
export function announce({ from, payment }: Changed, events: EventEncoder): EncodedEvent | undefined {
  const { orderId, amountMinor, currency, chargeId, reason } = payment;
  const movement = { ...newEvent(orderId), chargeId: chargeId ?? '', amountMinor, currency };
  switch (announcementOf(from, payment.state)) {
    case 'completed':
      return events.encode(paymentCompletedV1, movement);
    case 'refunded':
      return events.encode(paymentRefundedV1, movement);
    case 'failed':
      return events.encode(paymentFailedV1, { ...newEvent(orderId), reason: reason ?? 'declined' });
    case undefined:
      return undefined;
  }
}
