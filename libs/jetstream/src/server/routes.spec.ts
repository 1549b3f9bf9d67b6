import { describe, expect, it } from '@jest/globals';
import { InvalidHandlerError } from '../errors.js';
import { EventPattern } from '../event-pattern.decorator.js';
import type { HandlerOptions, HandlerOverrides } from '../handler.options.js';
import { planConsumers, type HandlerRegistration } from './routes.js';

const STREAMS = [{ name: 'ORDERS', subjects: ['orders.*.*'], deadLetterSubject: 'orders.dlq' }];

function handler(
  pattern: string,
  options: Partial<HandlerOptions> & { readonly [unknown: string]: unknown } = {},
): HandlerRegistration {
  return { pattern, options: { durable: 'd', ...options }, handler: async () => undefined };
}

const plan = (...handlers: HandlerRegistration[]) => planConsumers(handlers, STREAMS);
const optionsWith = (overrides: HandlerOverrides[string], options: Partial<HandlerOptions> = {}) =>
  planConsumers([handler('orders.created.v1', options)], STREAMS, { d: overrides })[0]?.options;

describe('handlers', () => {
  it('of one durable share its consumer, those of others have their own', () => {
    const plans = plan(
      handler('orders.created.*'),
      handler('orders.cancelled.*'),
      handler('orders.created.*', { durable: 'other' }),
    );
    expect(
      plans.map(({ options, routes }) => [options.durable, routes.map(({ pattern }) => pattern)]),
    ).toEqual([
      ['d', ['orders.created.*', 'orders.cancelled.*']],
      ['other', ['orders.created.*']],
    ]);
  });

  it('take what configuration says, and the decorator where it says nothing', () => {
    expect(optionsWith({ maxDeliver: 2 }, { maxDeliver: 7, concurrency: 3 })).toMatchObject({
      maxDeliver: 2,
      concurrency: 3,
    });
    expect(optionsWith({ maxDeliver: undefined }, { maxDeliver: 7 })?.maxDeliver).toBe(7);
  });

  it('may give an option once for all handlers of a durable', () => {
    const [merged] = plan(
      handler('orders.created.*', { maxDeliver: 7 }),
      handler('orders.cancelled.*', { maxDeliver: undefined }),
    );
    expect(merged?.options.maxDeliver).toBe(7);
  });

  const push = { delivery: 'push', deliverSubject: 'deliver.orders' } as const;

  it.each<[string, HandlerRegistration[], RegExp]>([
    [
      'no durable',
      [handler('orders.created.v1', { durable: undefined })],
      /handler of "orders\.created\.v1" must name its durable; if it belongs to another transport, name that one/,
    ],
    [
      'an unknown option',
      [handler('orders.a.b', { concurency: 4 })],
      /no option "concurency"; there are .*concurrency/,
    ],
    ['a malformed pattern', [handler('orders..v1')], /"orders\.\.v1" is no NATS subject pattern/],
    [
      'patterns of one durable that overlap',
      [handler('orders.created.*'), handler('orders.*.v1')],
      /"orders\.created\.\*" and "orders\.\*\.v1" overlap; give one of the handlers its own durable/,
    ],
    [
      'another value than the neighbour',
      [handler('orders.a.b', { maxDeliver: 1 }), handler('orders.a.c', { maxDeliver: 2 })],
      /"orders\.a\.c" sets maxDeliver to another value than its neighbour; give it once/,
    ],
    ['a subject of no stream', [handler('payments.a.b')], /no declared stream holds all of payments\.a\.b/],
    [
      'a window too big for the server',
      [handler('orders.a.b', { concurrency: 64, batch: { size: 1_000, lingerMs: 5 } })],
      /a window of 192000 messages, above the 20000/,
    ],
    [
      'batches that never fill',
      [handler('orders.a.b', { maxAckPending: 10, batch: { size: 11, lingerMs: 5 } })],
      /batch\.size \(11\) is never reached above maxAckPending \(10\); lower it/,
    ],
    [
      'no time to linger',
      [handler('orders.a.b', { batch: { size: 2, lingerMs: NaN } })],
      /lingerMs must be from 0/,
    ],
    [
      'a linger of days',
      [handler('orders.a.b', { batch: { size: 2, lingerMs: 1e8 } })],
      /to 60000 \(a minute\)/,
    ],
    [
      'durables that are pushed to one subject',
      [handler('orders.a.b', push), handler('orders.a.b', { ...push, durable: 'e' })],
      /durables "d" and "e" both take deliverSubject "deliver\.orders".*rename one of them/,
    ],
    [
      'a durable named like the partition of another',
      [
        handler('orders.a.b', { orderBy: ({ subject }) => subject }),
        handler('orders.a.b', { durable: 'd-p3' }),
      ],
      /durables "d" and "d-p3" both take consumer "d-p3" of stream ORDERS/,
    ],
  ])('are refused with %s', (_, handlers, sentence) => {
    expect(() => plan(...handlers)).toThrow(InvalidHandlerError);
    expect(() => plan(...handlers)).toThrow(sentence);
  });

  it('are refused without a pattern when they are declared', () => {
    expect(() => EventPattern([], { durable: 'd' })).toThrow(
      /handler of durable "d" names no pattern; name at least one/,
    );
  });
});
