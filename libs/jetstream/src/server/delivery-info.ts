/** What the server says about a delivery, read from its reply subject. */
export interface DeliveryInfo {
  readonly stream: string;
  readonly consumer: string;
  /** 1 for the first delivery. */
  readonly deliveryCount: number;
  readonly streamSequence: number;
  /** When the stream stored the message, in epoch milliseconds. */
  readonly timestampMs: number;
  /** Messages of the consumer that were still undelivered after this one. */
  readonly pending: number;
}

/**
 * Reads `$JS.ACK.<stream>.<consumer>.<count>.<stream seq>.<consumer seq>.<time>.<pending>` and the later form with
 * domain and account hash in front of the stream (NATS ADR-15).
 */
export function parseDeliveryInfo(reply: string | undefined): DeliveryInfo | undefined {
  const tokens = reply?.split('.') ?? [];
  const start = tokens.length === 9 ? 2 : 4;
  const [stream, consumer, count, sequence, , nanos, pending] = tokens.slice(start);
  if (tokens[1] !== 'ACK' || stream === undefined || consumer === undefined || pending === undefined) {
    return undefined;
  }
  return {
    stream,
    consumer,
    deliveryCount: Number(count),
    streamSequence: Number(sequence),
    timestampMs: Number(nanos) / 1e6,
    pending: Number(pending),
  };
}
