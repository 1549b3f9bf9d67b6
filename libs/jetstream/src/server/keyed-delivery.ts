import type { Msg } from '@nats-io/transport-node';
import type { DeliveryInfo } from './delivery-info.js';
import type { Delivery } from './held-deliveries.js';
import type { LaneItem } from './lanes.js';

/** Where a message waits. */
export interface Place {
  readonly key: string;
  readonly track: number;
  /** Which time of holding the partition it belongs to; what is left of an earlier one is not tried again here. */
  readonly tenure: number;
}

/** A message in its lane. */
export class KeyedDelivery implements Delivery, LaneItem {
  readonly key: string;
  readonly track: number;
  readonly sequence: number;
  readonly bytes: number;
  isExclusive = false;

  constructor(
    readonly message: Msg,
    readonly info: DeliveryInfo,
    readonly place: Place,
    readonly receivedAt = performance.now(),
  ) {
    this.key = place.key;
    this.track = place.track;
    this.sequence = info.streamSequence;
    this.bytes = message.data.length;
  }

  /** The same message for its next attempt, which is counted as one after a redelivery is. */
  again(): KeyedDelivery {
    const { message, info, place, receivedAt } = this;
    const { stream, consumer, streamSequence, consumerSequence, timestampMs, pending } = info;
    const repeated = {
      stream,
      consumer,
      streamSequence,
      consumerSequence,
      timestampMs,
      pending,
      deliveryCount: info.deliveryCount + 1,
    };
    return new KeyedDelivery(message, repeated, place, receivedAt);
  }
}
