import type { Msg } from '@nats-io/transport-node';
import type { DeliveryInfo } from './delivery-info.js';

/** Whoever takes the deliveries of a source. */
export interface SourceListener {
  /**
   * A message arrived; it is settled through its `respond`.
   * @param info of the delivery, when it is not to be read from the message's reply subject
   */
  onMessage(message: Msg, info?: DeliveryInfo): void;
  /** More can be asked for. */
  onCredit(): void;
  /** Nothing will come any more unless the source is restored: deleted, moved, a gap, no permission. */
  onTrouble(reason: string): void;
}

/** Where a consumer loop gets its deliveries from: one implementation for each way the server can deliver. */
export interface DeliverySource {
  /** Begins to listen, for the first time or after `stop`. Nothing is delivered before. */
  start(): void;
  /** The loop is free for `free` of the `window` messages it may hold; does nothing where the server decides. */
  topUp(free: number, window: number): void;
  /** The connection was lost and came back: what the server was asked before is void. */
  reset(): void;
  /** Creates the consumer on the server where it is missing, and goes on where it left off. */
  restore(): Promise<void>;
  /** Takes nothing new and hands over what is still on the wire. */
  stop(): Promise<void>;
  /** Removes from the server what belongs to this process alone. Comes last, once, after `stop`. */
  close(): Promise<void>;
  /** Name of the consumer on the server. */
  readonly consumerName: string;
  /** Milliseconds since the server was last heard. 0 while nothing is expected of it. */
  readonly silentMs: number;
  /** True when the server has been silent for so long that it must have forgotten us. */
  readonly isSilent: boolean;
}
