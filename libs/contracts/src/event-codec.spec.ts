import { describe, expect, it } from '@jest/globals';
import { ContractError } from './contract.error.js';
import { decodeEvent, EventEncoder } from './event-codec.js';
import { newEvent } from './event-contract.js';
import { orderCancelledV1, orderCreatedV1, orderCreatedV2, type OrderCreated } from './orders.js';

const article = {
  message_id: '0190b2f4-7d6c-7a3e-8f00-000000000001',
  order_id: '0190b2f4-7d6c-7a3e-8f00-000000000002',
  customer_id: 'cust-123',
  total_amount: 99.95,
  created_at: 1_720_000_000_000,
};

const decode = (body: unknown, subject = 'orders.created.v1') =>
  decodeEvent({ subject, data: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)) });

function failureOf(body: unknown, subject?: string): ContractError {
  try {
    decode(body, subject);
  } catch (error) {
    if (error instanceof ContractError) return error;
    throw error;
  }
  throw new Error('decoded');
}

describe('event codec', () => {
  it("reads the article's five fields as an order", () => {
    expect(decode(article)).toEqual({
      messageId: article.message_id,
      attributes: { order_id: article.order_id },
      payload: {
        messageId: article.message_id,
        orderId: article.order_id,
        customerId: 'cust-123',
        currency: 'USD',
        totalMinor: 9_995,
        lines: [],
        createdAt: 1_720_000_000_000,
      },
    });
  });

  it('reads no amount that could not be published again', () => {
    const most = { ...article, currency: 'JPY', total_amount: 9_007_199_254_740_990 };
    expect(decode(most).payload).toMatchObject({ totalMinor: 9_007_199_254_740_990 });
    const more = { ...most, total_amount: 9_007_199_254_740_991 };
    expect(failureOf(more)).toMatchObject({ code: 'CONTRACT_INVALID', path: 'total_amount' });
  });

  it('ignores fields it does not know', () => {
    expect(decode({ ...article, colour: 'red' }).payload).toEqual(decode(article).payload);
  });

  it('reads an order published as v1 and as v2 as the same event', () => {
    const event: OrderCreated = {
      ...newEvent('order-1'),
      customerId: 'cust-1',
      currency: 'EUR',
      totalMinor: 2_500,
      lines: [{ sku: 'sku-1', quantity: 2, unitPriceMinor: 1_250 }],
    };
    const encoder = new EventEncoder({ source: 'test', publishes: [orderCreatedV1, orderCreatedV2] });
    const v1 = encoder.encode(orderCreatedV1, event);
    const v2 = encoder.encode(orderCreatedV2, event);
    expect(decodeEvent({ subject: v1.subject, data: v1.data }).payload).toEqual(event);
    expect(decodeEvent({ subject: v2.subject, data: v2.data }).payload).toEqual(event);
    expect([v1.messageId, v2.messageId]).toEqual([`${event.messageId}/v1`, `${event.messageId}/v2`]);
    expect(v1.headers).toMatchObject({ 'ce-id': event.messageId, 'ce-type': 'orders.created.v1' });
  });

  it.each([
    ['a missing field', { ...article, order_id: undefined }, 'order_id'],
    ['an id with a dot', { ...article, message_id: 'a.b' }, 'message_id'],
    ['a negative total', { ...article, total_amount: -1 }, 'total_amount'],
    ['a total beyond exact numbers', { ...article, total_amount: 1e300 }, 'total_amount'],
    ['totals that disagree', { ...article, total_minor: 1 }, 'total_minor'],
    [
      'a line without quantity',
      { ...article, lines: [{ sku: 'a', unit_price_minor: 1 }] },
      'lines[0].quantity',
    ],
  ])('refuses %s and names the field', (_, body, path) => {
    const error = failureOf(body);
    expect(error).toMatchObject({ code: 'CONTRACT_INVALID', path });
    expect(error.message).toContain(path);
  });

  it.each([
    ['text that is no JSON', '{broken', undefined, 'CONTRACT_MALFORMED'],
    ['an event nobody described', article, 'orders.lost.v1', 'CONTRACT_UNKNOWN_EVENT'],
    ['a version of the future', article, 'orders.created.v9', 'CONTRACT_UNKNOWN_VERSION'],
    ['a body that is no object', [1], undefined, 'CONTRACT_INVALID'],
  ])('refuses %s', (_, body, subject, code) => {
    expect(failureOf(body, subject)).toMatchObject({ code });
  });

  it('refuses to publish a total as v1 that its double cannot tell', () => {
    const event = { ...newEvent('order-1'), customerId: 'c-1', currency: 'USD', lines: [] };
    const encoder = new EventEncoder({ source: 'test', publishes: [orderCreatedV1, orderCreatedV2] });
    const order = { ...event, totalMinor: 9_007_199_254_740_901 };
    expect(() => encoder.encode(orderCreatedV1, order)).toThrow(
      expect.objectContaining({ path: 'total_amount' }),
    );
    expect(() => encoder.encode(orderCreatedV2, order)).not.toThrow();
  });

  it('reads and publishes no reason that a database or another encoding cannot hold', () => {
    const { message_id, order_id, created_at } = article;
    const reason = `a\u0000b\ud83d${'x'.repeat(495)}\u{1f6ab} and more`;
    const { payload } = decode({ message_id, order_id, created_at, reason }, orderCancelledV1.subject);
    expect(payload).toMatchObject({ reason: `a\ufffdb\ufffd${'x'.repeat(495)}` });
    const encoder = new EventEncoder({ source: 'test', publishes: [orderCancelledV1] });
    const { data } = encoder.encode(orderCancelledV1, { ...newEvent('order-1'), reason });
    expect(Buffer.from(data).toString()).toContain(`"a\ufffdb\ufffd${'x'.repeat(495)}"`);
  });

  it('leaves prototypes alone', () => {
    decode(`{"__proto__": {"polluted": true}, ${JSON.stringify(article).slice(1)}`);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});
