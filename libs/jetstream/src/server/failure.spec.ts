import { describe, expect, it } from '@jest/globals';
import { RetryableError, UndecodableMessageError } from '../errors.js';
import { describeFailure } from './failure.js';

describe('a failure as it is told', () => {
  it('names the error that a wrapper hides, with the message of the wrapper', () => {
    class StockError extends Error {
      readonly code = 'NO_STOCK';
    }
    const told = describeFailure(new RetryableError('try later', { cause: new StockError('none left') }));
    expect(told).toMatchObject({ code: 'NO_STOCK', errorClass: 'StockError', message: 'try later' });
    expect(told.stack).toContain('none left');
  });

  it('leaves out what the payload holds, at any depth, and keeps its ids', () => {
    const payload = { orderId: 'order-0001', customer: { emails: ['jane.doe@example.org'] } };
    const error = new Error('order-0001 of jane.doe@example.org is refused');
    const told = describeFailure(error, { payload, attributes: { order_id: 'order-0001' } });
    expect(told.message).toBe('order-0001 of [redacted] is refused');
    expect(told.stack).not.toContain('jane.doe');
  });

  it('leaves out the text that could not be parsed', () => {
    const cause = parseErrorOf('oops, the card is 4111 1111');
    const told = describeFailure(new UndecodableMessageError(cause.message, { cause }));
    expect(`${told.message}${told.stack}`).not.toContain('4111');
    expect(told.message).toContain('is not valid JSON');
  });

  it('ends with a payload that its handler has closed to a circle', () => {
    const order: Record<string, unknown> = { customer: 'jane.doe@example.org' };
    order['lines'] = [{ order, sku: 'sku-00000001' }];
    const told = describeFailure(new Error('jane.doe@example.org, sku-00000001'), { payload: order });
    expect(told.message).toBe('[redacted], [redacted]');
  });

  it.each<[string, object]>([
    ['nothing', { name: undefined, message: undefined, stack: undefined }],
    ['no texts', { name: 1, message: { reason: 'none left' }, stack: null }],
  ])('is all texts when the error has %s where texts belong', (_, parts) => {
    const told = describeFailure(Object.assign(new TypeError('x'), parts));
    expect(told).toMatchObject({ code: 'UNKNOWN', errorClass: 'TypeError' });
    expect([typeof told.message, typeof told.stack]).toEqual(['string', 'string']);
  });

  it('is bounded', () => {
    const told = describeFailure(new Error('x'.repeat(1_000_000)));
    expect([told.message.length, told.stack.length]).toEqual([1_024, 4_096]);
  });

  it('is as much of what is no error', () => {
    expect(describeFailure('text')).toMatchObject({ code: 'UNKNOWN', errorClass: 'Error', message: 'text' });
  });
});

function parseErrorOf(text: string): Error {
  try {
    JSON.parse(text);
  } catch (error) {
    return error as Error;
  }
  throw new Error(`'${text}' can be parsed`);
}
