import type { MsgHdrs } from '@nats-io/transport-node';
import { jsonCodec, type EncodedMessage, type MessageCodec } from '../codec.js';

/** Nest serializes the pattern first. */
const PACKET_START = Buffer.from('{"pattern":');
const encoder = new TextEncoder();

interface NestPacket {
  readonly pattern: unknown;
  readonly data?: unknown;
}

/**
 * Unwraps what Nest's own `ClientNats.emit` writes: `{"pattern": "<subject>", "data": <payload>}`. Everything else goes to
 * the inner codec as it is, and so does an object that merely starts alike: the pattern has to be the subject.
 * Pass it as `codec` while services that still use `Transport.NATS` publish on subjects of a stream.
 * @param inner decodes the payload; it gets the payload alone, as JSON, with the headers of the message
 */
export function nestPacketCodec(inner: MessageCodec = jsonCodec): MessageCodec {
  return { decode: (message) => inner.decode(unwrap(message)) };
}

function unwrap(message: EncodedMessage): EncodedMessage {
  const { data } = message;
  if (!PACKET_START.equals(data.subarray(0, PACKET_START.length))) return message;
  const packet = parse(data);
  if (packet?.pattern !== message.subject || packet.data === undefined) return message;
  return new UnwrappedMessage(message, encoder.encode(JSON.stringify(packet.data)));
}

/** A copy of the message would lack its headers, which the client keeps on the prototype; asking for them may throw. */
class UnwrappedMessage implements EncodedMessage {
  constructor(
    private readonly packet: EncodedMessage,
    readonly data: Uint8Array,
  ) {}

  get subject(): string {
    return this.packet.subject;
  }

  get headers(): MsgHdrs | undefined {
    return this.packet.headers;
  }
}

function parse(data: Uint8Array): NestPacket | undefined {
  try {
    return JSON.parse(Buffer.from(data).toString()) as NestPacket;
  } catch {
    // The inner codec says what is wrong with it.
    return undefined;
  }
}
