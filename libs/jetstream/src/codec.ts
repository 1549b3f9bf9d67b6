import type { MsgHdrs } from '@nats-io/transport-node';

/** A message as it came from the stream. */
export interface EncodedMessage {
  readonly subject: string;
  readonly headers?: MsgHdrs | undefined;
  readonly data: Uint8Array;
}

export interface DecodedMessage {
  readonly payload: unknown;
  /** Identity of the event across redeliveries, republishing and versions. */
  readonly messageId?: string | undefined;
  /** Fields for log lines, such as `order_id`. */
  readonly attributes?: Readonly<Record<string, string>>;
}

/** Port between bytes and payloads. What `decode` throws dead-letters the message at once. */
export interface MessageCodec {
  decode(message: EncodedMessage): DecodedMessage;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Plain JSON without a schema. */
export const jsonCodec: MessageCodec = {
  decode: ({ data }) => ({ payload: data.length === 0 ? undefined : JSON.parse(utf8.decode(data)) }),
};
