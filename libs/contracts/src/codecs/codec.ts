import type { MessageType } from '../message-type.js';

/** The fields of a message under the names they have in its contract; integers are numbers, what is absent is undefined. */
export type Fields = Readonly<Record<string, unknown>>;

/** Turns bytes of one content type into fields and back. Whether the fields are valid is not its business. */
export interface Codec {
  /** Content types it reads; the first is what it writes. */
  readonly contentTypes: readonly [string, ...string[]];
  /** Prepares what can be known before the first message. Called once for each type of message. */
  of(type: MessageType): TypedCodec;
}

export interface TypedCodec {
  /**
   * @returns what the bytes say; an object, unless they are JSON of something else
   * @throws ContractError when they are not of the content type, or nested deeper than `MAX_DEPTH`
   */
  decode(data: Uint8Array): unknown;
  /** Writes valid fields. What `decode` did not know is written again where the content type can carry it. */
  encode(fields: Fields): Uint8Array;
}

/** Deepest nesting that is read, the message itself included. */
export const MAX_DEPTH = 32;
