import { headers as createHeaders, type MsgHdrs } from '@nats-io/transport-node';
import { InvalidMessageError } from '../errors.js';
import { isLiteral, isValidPattern } from '../subject.js';

/** A message to publish. */
export interface OutgoingMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  /**
   * Sent as `Nats-Msg-Id`: the stream stores a message with the same id once within its duplicate window.
   * @default a random UUID, so that a repeated attempt of this call is stored once
   */
  readonly messageId?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** @throws InvalidMessageError when the subject is none to publish on or a header is the server's own */
export function toHeaders(message: OutgoingMessage): MsgHdrs {
  if (!isValidPattern(message.subject) || !isLiteral(message.subject)) {
    throw new InvalidMessageError(`"${message.subject}" is no subject to publish on`);
  }
  const headers = createHeaders();
  for (const [name, value] of Object.entries(message.headers ?? {})) {
    // A stray Nats-Rollup would purge the stream, a Nats-Msg-Id suppress somebody else's message.
    if (/^nats-/i.test(name)) throw new InvalidMessageError(`header "${name}" is reserved for the server`);
    headers.set(name, value);
  }
  return headers;
}
