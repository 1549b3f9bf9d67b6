import { describe, expect, it } from '@jest/globals';
import {
  announcementOf,
  NONE,
  opening,
  stepOf,
  transition,
  UNSETTLED,
  type PaymentEvent,
  type PaymentState,
} from './payment-state.js';

const EVENTS: readonly PaymentEvent[] = [
  'ordered',
  'expire',
  'send',
  'recall',
  'searched',
  'cancel',
  'charge_lost',
  'charge_succeeded',
  'charge_declined',
  'charge_voided',
  'refund_send',
  'refund_lost',
  'refund_succeeded',
  'refund_declined',
];

/** Each state before those that may follow it. */
const RANKS: Readonly<Record<PaymentState, number>> = {
  intent: 1,
  sent: 2,
  unknown: 3,
  cancelling: 4,
  void: 5,
  declined: 5,
  succeeded: 5,
  refund_intent: 6,
  refund_sent: 7,
  refund_unknown: 8,
  refund_declined: 9,
  refunded: 9,
};
const STATES = Object.keys(RANKS) as PaymentState[];

describe('the state of a payment', () => {
  it('only ever moves forward, whatever happens to it', () => {
    for (const state of STATES) {
      for (const event of EVENTS) {
        const next = transition(state, event);
        expect(next === state || RANKS[next] > RANKS[state]).toBe(true);
      }
    }
  });

  it('is settled where nothing is left to do', () => {
    expect(STATES.filter((state) => stepOf(state) === undefined)).toEqual([
      'void',
      'declined',
      'succeeded',
      'refund_declined',
      'refunded',
    ]);
    expect(UNSETTLED).toHaveLength(7);
  });

  it('is void at once only where no call can be under way', () => {
    const cancelled = STATES.filter((state) => transition(state, 'cancel') === 'void');
    expect(cancelled).toEqual(['intent', 'void']);
    expect(transition('sent', 'cancel')).toBe('cancelling');
    expect(transition('unknown', 'cancel')).toBe('cancelling');
  });

  it('never keeps the money of an order that was cancelled or has failed', () => {
    for (const state of ['cancelling', 'void', 'declined'] as const) {
      expect(transition(state, 'charge_succeeded')).toBe('refund_intent');
    }
  });

  it('begins with an order or its cancellation, and with nothing else', () => {
    expect(EVENTS.filter((event) => opening(event) !== undefined)).toEqual([
      'ordered',
      'expire',
      'send',
      'recall',
      'cancel',
    ]);
  });

  it('is announced once on each way', () => {
    expect(announcementOf('sent', 'succeeded')).toBe('completed');
    expect(announcementOf('succeeded', 'refund_intent')).toBeUndefined();
    expect(announcementOf('cancelling', 'refund_intent')).toBe('completed');
    expect(announcementOf('refund_unknown', 'refunded')).toBe('refunded');
    expect(announcementOf('unknown', 'declined')).toBe('failed');
    expect(announcementOf('cancelling', 'void')).toBeUndefined();
    expect(announcementOf(NONE, 'void')).toBeUndefined();
    expect(announcementOf('refunded', 'refunded')).toBeUndefined();
  });
});
