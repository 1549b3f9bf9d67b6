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
  /** Since when the gateway may know the key. Null where it was not called, or where nobody has looked for earlier calls so far. */
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
  /** Of `send`: since when the order, and with it the key, may have been known to anybody. */
  readonly sentAt?: Date;
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
export function apply(before: Payment, change: Change): Payment {
  const { event, chargeId, reason } = change;
  const payment = withPrice(before, change);
  if (event === 'searched') return payment.sentAt ? payment : { ...payment, sentAt: new Date() };
  const state = transition(payment.state, event);
  if (state === payment.state) return payment;
  return {
    ...payment,
    state,
    chargeId: chargeId ?? payment.chargeId,
    reason: reason ?? payment.reason,
  };
}

/** Adds what the order costs, which a cancellation that came before it did not say. */
function withPrice(payment: Payment, { amountMinor, currency }: Change): Payment {
  if (payment.amountMinor !== null || amountMinor === undefined || currency === undefined) return payment;
  return { ...payment, amountMinor, currency };
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
