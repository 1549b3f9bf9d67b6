import type { Msg } from '@nats-io/transport-node';
import type { DeliveryInfo } from './delivery-info.js';

/** Bytes held beyond which nothing more is asked for, whatever the window allows. */
const MAX_HELD_BYTES = 64 * 1024 * 1024;

/**
 * How often the ack wait of what is held is extended. A delivery just younger than a quarter of it is extended with the
 * next round, at half of it, and outlives a process that hangs for nearly as long as the other half.
 */
export function extensionIntervalMs(ackWaitMs: number): number {
  return ackWaitMs / 4;
}

export interface Delivery {
  readonly message: Msg;
  readonly info: DeliveryInfo;
  /** By the clock of the process: the wall clock may be set back, and what is held would not be extended meanwhile. */
  readonly receivedAt: number;
  /** Size of the body. */
  readonly bytes: number;
}

/** What one consumer loop has received and not settled or given back yet, waiting or running. */
export class HeldDeliveries {
  private readonly held = new Set<Delivery>();
  private bytes = 0;

  get count(): number {
    return this.held.size;
  }

  get isFull(): boolean {
    return this.bytes >= MAX_HELD_BYTES;
  }

  add(message: Msg, info: DeliveryInfo): Delivery {
    const delivery = { message, info, receivedAt: performance.now(), bytes: message.data.length };
    this.held.add(delivery);
    this.bytes += delivery.bytes;
    return delivery;
  }

  letGo(deliveries: readonly Delivery[]): void {
    for (const delivery of deliveries) {
      if (this.held.delete(delivery)) this.bytes -= delivery.bytes;
    }
  }

  /** Those held for at least `ageMs`. */
  olderThan(ageMs: number): Delivery[] {
    const longAgo = performance.now() - ageMs;
    return [...this.held].filter(({ receivedAt }) => receivedAt <= longAgo);
  }
}
