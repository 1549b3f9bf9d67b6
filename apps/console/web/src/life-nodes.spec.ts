import { describe, expect, it } from '@jest/globals';
import { toNodes, type LifeDelivery, type LifeMessage, type LifeNode } from './life-nodes.js';

const BEGAN_AT = Date.parse('2026-11-26T16:00:00Z');

const delivery = (service: string, consumer = service): LifeDelivery => ({
  service,
  consumer,
  state: 'settled',
  deadLetter: null,
  operations: [],
});

const message = (sequence: number, facts: Partial<LifeMessage> = {}): LifeMessage => ({
  stream: 'ORDERS',
  sequence,
  subject: `subject.${sequence}`,
  messageId: `m${sequence}`,
  at: new Date(BEGAN_AT + sequence * 10).toISOString(),
  source: null,
  traceId: null,
  cause: null,
  deliveries: [],
  ...facts,
});

const nodesOf = (messages: readonly LifeMessage[]) =>
  toNodes({ orderId: 'o1', order: null, traceIds: [], notes: [], messages });

/** Subjects, each with what it caused by way of a service and otherwise. */
const outline = ({ message: { subject }, deliveries, others }: LifeNode): unknown => [
  subject,
  Object.fromEntries(deliveries.map(({ delivery: { consumer }, caused }) => [consumer, caused.map(outline)])),
  others.map(outline),
];

const of = (sequence: number) => ({ stream: 'ORDERS', sequence });

describe('the life of an order', () => {
  it('shows a message below the delivery to the service that published it', () => {
    const nodes = nodesOf([
      message(1, { deliveries: [delivery('payments'), delivery('inventory')] }),
      message(2, { source: 'inventory', cause: of(1) }),
      message(3, { source: 'payments', cause: of(1), deliveries: [delivery('orders')] }),
      message(4, { source: 'orders', cause: of(3) }),
    ]);
    expect(nodes.map(outline)).toEqual([
      [
        'subject.1',
        {
          payments: [['subject.3', { orders: [['subject.4', {}, []]] }, []]],
          inventory: [['subject.2', {}, []]],
        },
        [],
      ],
    ]);
  });

  it('shows a message once though two consumers of its service read what caused it', () => {
    const nodes = nodesOf([
      message(1, { deliveries: [delivery('payments', 'first'), delivery('payments', 'second')] }),
      message(2, { source: 'payments', cause: of(1) }),
    ]);
    expect(nodes.map(outline)).toEqual([['subject.1', { first: [['subject.2', {}, []]], second: [] }, []]]);
  });

  it('loses no message whose service is not among the readers of its cause', () => {
    const nodes = nodesOf([message(1), message(2, { source: 'unheard', cause: of(1) })]);
    expect(nodes.map(outline)).toEqual([['subject.1', {}, [['subject.2', {}, []]]]]);
  });

  it('tells streams apart whose sequences are the same', () => {
    const nodes = nodesOf([
      message(1),
      message(1, { stream: 'PAYMENTS', subject: 'paid' }),
      message(2, { cause: { stream: 'PAYMENTS', sequence: 1 } }),
    ]);
    expect(nodes.map(outline)).toEqual([
      ['subject.1', {}, []],
      ['paid', {}, [['subject.2', {}, []]]],
    ]);
  });

  it('counts times from its first message', () => {
    const nodes = nodesOf([message(3), message(10)]);
    expect(nodes.map(({ offsetMs }) => offsetMs)).toEqual([0, 70]);
  });
});
