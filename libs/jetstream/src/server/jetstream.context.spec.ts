import { describe, expect, it } from '@jest/globals';
import type { Msg } from '@nats-io/transport-node';
import type { DeliveryInfo } from './delivery-info.js';
import { JetStreamContext } from './jetstream.context.js';

const info: DeliveryInfo = {
  stream: 'ORDERS',
  consumer: 'd',
  streamSequence: 7,
  consumerSequence: 1,
  deliveryCount: 1,
  timestampMs: 1_700_000_000_000.25,
  pending: 0,
};
const idOf = (delivery: DeliveryInfo) => new JetStreamContext({} as Msg, delivery, 1).messageId;

describe('a message without an id', () => {
  it('is known by its place and the time it was stored at, in every delivery', () => {
    expect(idOf(info)).toBe('ORDERS:7:1700000000000');
    expect(idOf({ ...info, consumerSequence: 9, deliveryCount: 2 })).toBe(idOf(info));
  });

  it('is not taken for the one at the same place of a stream that was created anew', () => {
    expect(idOf({ ...info, timestampMs: info.timestampMs + 60_000 })).not.toBe(idOf(info));
  });
});
