/**
 * Where a payment stands. A charge goes `intent → sent → succeeded | declined | unknown`, a refund likewise; `cancelling`
 * and `void` are for orders that were cancelled before anybody knew of a charge.
 */
export type PaymentState =
  /** The key is fixed, and the gateway was not called. */
  | 'intent'
  /** A call may be under way, or may have been made by a process that died or before the database was set back. */
  | 'sent'
  /** The answer of a call was lost. */
  | 'unknown'
  /** The order was cancelled while a call may be under way: the gateway is to close the key and to say what became of it. */
  | 'cancelling'
  /** Never charged, and never will be: the gateway was not called, or has closed the key. */
  | 'void'
  | 'declined'
  | 'succeeded'
  | 'refund_intent'
  | 'refund_sent'
  | 'refund_unknown'
  /** The provider says that it cannot give the money back. Somebody has to. */
  | 'refund_declined'
  | 'refunded';

export type PaymentEvent =
  /** The order arrived, and the gateway cannot be called now. */
  | 'ordered'
  /** The order waited for so long that it counts as given up, and the gateway was never called. */
  | 'expire'
  /** The gateway is about to be called, for the first time. */
  | 'send'
  /** The gateway is about to be called, and may have been called before without this database knowing of it. */
  | 'recall'
  /** The provider's records show nothing of such a call; from now on the key itself tells. */
  | 'searched'
  | 'cancel'
  | 'charge_lost'
  | 'charge_succeeded'
  | 'charge_declined'
  /** The gateway has closed the key without a charge. */
  | 'charge_voided'
  | 'refund_send'
  | 'refund_lost'
  | 'refund_succeeded'
  | 'refund_declined';

/** What is to be done about a payment that has not come to its end. */
export type PaymentStep = 'charge' | 'close' | 'refund';

/** State of an order nobody has heard of. */
export const NONE = 'none';
type From = PaymentState | typeof NONE;

/**
 * Every change there is; any other pair changes nothing. Each row leads down this list of ranks, never up:
 * none, intent, sent, unknown, cancelling, void | declined | succeeded, refund_intent, refund_sent, refund_unknown, end.
 */
const TRANSITIONS: Readonly<Record<PaymentEvent, Partial<Record<From, PaymentState>>>> = {
  ordered: { none: 'intent' },
  expire: { none: 'declined', intent: 'declined' },
  send: { none: 'sent' },
  recall: { none: 'sent', intent: 'sent' },
  searched: {},
  // Only before the first call is there none that could still arrive.
  cancel: {
    none: 'void',
    intent: 'void',
    sent: 'cancelling',
    unknown: 'cancelling',
    succeeded: 'refund_intent',
  },
  charge_lost: { sent: 'unknown' },
  charge_succeeded: {
    sent: 'succeeded',
    unknown: 'succeeded',
    cancelling: 'refund_intent',
    // A provider that contradicts itself must not keep the money of an order that has failed.
    void: 'refund_intent',
    declined: 'refund_intent',
  },
  charge_declined: { sent: 'declined', unknown: 'declined', cancelling: 'declined' },
  charge_voided: { sent: 'declined', unknown: 'declined', cancelling: 'void' },
  refund_send: { refund_intent: 'refund_sent' },
  refund_lost: { refund_sent: 'refund_unknown' },
  refund_succeeded: { refund_intent: 'refunded', refund_sent: 'refunded', refund_unknown: 'refunded' },
  refund_declined: { refund_sent: 'refund_declined', refund_unknown: 'refund_declined' },
};

const STEPS: Partial<Record<PaymentState, PaymentStep>> = {
  intent: 'charge',
  sent: 'charge',
  unknown: 'charge',
  cancelling: 'close',
  refund_intent: 'refund',
  refund_sent: 'refund',
  refund_unknown: 'refund',
};

/** States of payments that somebody has to work on. */
export const UNSETTLED = Object.keys(STEPS) as readonly PaymentState[];

/** The state after an event, the same one when the event changes nothing. */
export function transition(from: PaymentState, event: PaymentEvent): PaymentState {
  return TRANSITIONS[event][from] ?? from;
}

/** The state in which an event opens the payment of an order nobody has heard of; undefined when it cannot. */
export function opening(event: PaymentEvent): PaymentState | undefined {
  return TRANSITIONS[event][NONE];
}

export function stepOf(state: PaymentState): PaymentStep | undefined {
  return STEPS[state];
}

/** What the rest of the system is told of a change. */
export type Announcement = 'completed' | 'failed' | 'refunded';

/** Each change is announced once, because each can happen only once. */
export function announcementOf(from: From, to: PaymentState): Announcement | undefined {
  if (from === to) return undefined;
  if (to === 'declined') return 'failed';
  if (to === 'refunded') return 'refunded';
  if (to === 'succeeded') return 'completed';
  // Who keeps the books must see the charge that the refund is about to undo.
  return to === 'refund_intent' && from !== 'succeeded' ? 'completed' : undefined;
}
