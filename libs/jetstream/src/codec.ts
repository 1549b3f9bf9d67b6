import type { MsgHdrs } from '@nats-io/transport-node';
import { readHeaders } from './server/headers.js';

/** A message as it came from the stream. */
export interface EncodedMessage {
  readonly subject: string;
  /** Reading them throws when they are no headers by the client's rules. */
  readonly headers?: MsgHdrs | undefined;
  readonly data: Uint8Array;
}

/** What a codec makes of a message. */
export interface DecodedMessage {
  /** What the handler is given. */
  readonly payload: unknown;
  /**
   * Identity of the event across redeliveries, republishing and versions.
   * @default `<stream>:<sequence>:<milliseconds>`
   */
  readonly messageId?: string | undefined;
  /** Fields for log lines, such as `order_id`. */
  readonly attributes?: Readonly<Record<string, string>>;
}

/** Port between bytes and payloads. What `decode` throws dead-letters the message at once. */
export interface MessageCodec {
  /** Synchronous, and the same for the same message at every attempt. */
  decode(message: EncodedMessage): DecodedMessage;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Plain JSON without a schema. A message is known by the `Nats-Msg-Id` it was published with. */
export const jsonCodec: MessageCodec = {
  decode: (message) => ({
    payload: message.data.length === 0 ? undefined : JSON.parse(utf8.decode(message.data)),
    messageId: readHeaders(message)?.get('Nats-Msg-Id') || undefined,
  }),
};
