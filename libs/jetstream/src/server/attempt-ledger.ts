import type { KV } from '@nats-io/kv';
import type { DeliveryInfo } from './delivery-info.js';

/**
 * Counts how often a message was really started. The server counts deliveries, and a delivery that was given back at
 * shutdown or lay in the buffer of a killed process is none the handler saw: counting those would dead-letter messages
 * that never ran. First deliveries need no entry, so the hot path never comes here.
 */
export class AttemptLedger {
  constructor(private readonly bucket: Pick<KV, 'get' | 'put'>) {}

  /** Records that a redelivered message is about to start and returns the number of this attempt. */
  async start(info: DeliveryInfo): Promise<number> {
    const key = keyOf(info);
    const entry = await this.bucket.get(key);
    const attempt = (entry ? Number(entry.string()) : 1) + 1;
    await this.bucket.put(key, String(attempt));
    return attempt;
  }

  /** Records that a first delivery was given back without having been started. */
  async giveBack(info: DeliveryInfo): Promise<void> {
    if (info.deliveryCount === 1) await this.bucket.put(keyOf(info), '0');
  }
}

function keyOf({ stream, consumer, streamSequence }: DeliveryInfo): string {
  return `${stream}.${consumer}.${streamSequence}`;
}
