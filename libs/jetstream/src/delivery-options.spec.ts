import { describe, expect, it } from '@jest/globals';
import { describeDelivery, type DeliveryOptions, resolveDeliveryOptions } from './delivery-options.js';

const describeMode = (options: DeliveryOptions) =>
  describeDelivery({ ...resolveDeliveryOptions(options), durable: 'board' });

describe('the way of delivery', () => {
  it.each<[DeliveryOptions, string]>([
    [{}, 'pulled from durable "board", shared by all processes, from the oldest message'],
    [
      { delivery: 'push', deliverSubject: 'order.deliver', queueGroup: 'g' },
      'pushed by durable "board" to order.deliver, shared by queue group "g", at most 1000 unacked, from the oldest message',
    ],
    [
      { delivery: 'push', maxAckPending: 7 },
      'pushed by durable "board" to its own subject, shared by queue group "board", at most 7 unacked, from the oldest message',
    ],
    [
      { delivery: 'ordered', start: { sequence: 7 }, replay: 'original' },
      'each process reads alone, one message at a time in the order of the stream, from sequence 7, at the original pace',
    ],
    [{ delivery: 'broadcast' }, 'every process gets every message, from the next message'],
    [
      { delivery: 'broadcast', start: 'last-per-subject' },
      'every process gets every message, from the newest message of each subject',
    ],
    [
      { start: { time: '2026-01-02T03:04:05Z' } },
      'pulled from durable "board", shared by all processes, from 2026-01-02T03:04:05.000Z',
    ],
  ])('describes itself in words: %j', (options, words) => {
    expect(describeMode(options)).toBe(words);
  });
});
