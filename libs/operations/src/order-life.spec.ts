import { describe, expect, it } from '@jest/globals';
import { causeOf, timeOfId, type FoundMessage, type Reader } from './order-life.js';

const message = (stream: string, sequence: number, subject: string, source: string | null): FoundMessage => ({
  stream,
  sequence,
  subject,
  source,
  messageId: null,
  traceId: null,
  at: new Date(sequence).toISOString(),
});
const reader = (service: string, stream: string, ...subjects: string[]): Reader => ({
  service,
  stream,
  subjects,
  consumer: `${service}-${stream}`,
});

const created = message('ORDERS', 1, 'orders.created.v1', null);
const paid = message('PAYMENTS', 2, 'payments.completed.v1', 'payment');
const reserved = message('INVENTORY', 3, 'inventory.reserved.v1', 'inventory');
const confirmed = message('ORDERS', 4, 'orders.confirmed.v1', 'order');
const readers = [
  reader('payment', 'ORDERS', 'orders.created.*'),
  reader('inventory', 'ORDERS', 'orders.created.*'),
  reader('order', 'PAYMENTS', 'payments.*.*'),
  reader('order', 'INVENTORY', 'inventory.*.*'),
];

describe('what brought a message about', () => {
  it('is nothing for the first one', () => {
    expect(causeOf(created, [], readers)).toBeNull();
  });

  it('is what its service read, not what others published meanwhile', () => {
    expect(causeOf(reserved, [created, paid], readers)).toEqual({ stream: 'ORDERS', sequence: 1 });
  });

  it('is the last of several', () => {
    expect(causeOf(confirmed, [created, paid, reserved], readers)).toEqual({
      stream: 'INVENTORY',
      sequence: 3,
    });
  });
});

describe('the time of an id', () => {
  it('is read from a UUID of version 7', () => {
    expect(timeOfId('017f22e2-79b0-7cc3-98c4-dc0c0c07398f')?.toISOString()).toBe('2022-02-22T19:22:22.000Z');
  });

  it.each(['0197e2c4-1111-4cc3-98c4-dc0c0c07398f', 'order-1', ''])('is not known of "%s"', (id) => {
    expect(timeOfId(id)).toBeUndefined();
  });
});
