import { describe, expect, it } from '@jest/globals';
import type { LifeDelivery, LifeMessage } from '@slipstream/operations';
import { lifeTree } from './life-tree.js';

const delivery = (service: string, consumer: string, more: Partial<LifeDelivery> = {}): LifeDelivery => ({
  service,
  consumer,
  state: 'settled',
  deadLetter: null,
  operations: [],
  ...more,
});

const message = (
  more: Partial<LifeMessage> & Pick<LifeMessage, 'stream' | 'subject' | 'source'>,
): LifeMessage => ({
  sequence: 1,
  messageId: null,
  at: '2026-11-23T12:00:00.000Z',
  traceId: null,
  cause: null,
  deliveries: [],
  ...more,
});

describe('the tree of a life', () => {
  it('shows below each message its consumers, and below each consumer what it published', () => {
    const deadLetter = { id: 'ORDERS:4', errorCode: 'NO_STOCK', errorMessage: 'none left', attempts: 5 };
    const messages = [
      message({
        stream: 'ORDERS',
        subject: 'orders.created.v1',
        source: null,
        deliveries: [
          delivery('payment-service', 'payment-orders'),
          delivery('inventory-service', 'inventory-orders', { state: 'dead letter', deadLetter }),
        ],
      }),
      message({
        stream: 'PAYMENTS',
        subject: 'payments.completed.v1',
        source: 'payment-service',
        at: '2026-11-23T12:00:00.041Z',
        cause: { stream: 'ORDERS', sequence: 1 },
        deliveries: [delivery('order-service', 'order-payments', { state: 'waiting' })],
      }),
    ];
    const life = { orderId: 'o-1', order: null, traceIds: [], notes: [], messages };
    expect(lifeTree(life)).toEqual([
      'orders.created.v1  ORDERS:1  2026-11-23T12:00:00.000Z  by somebody outside',
      '├─ payment-orders  settled',
      '│  └─ payments.completed.v1  PAYMENTS:1  +41 ms  by payment-service',
      '│     └─ order-payments  waiting',
      '└─ inventory-orders  dead letter  ORDERS:4  NO_STOCK: none left (attempt 5)',
    ]);
  });
});
