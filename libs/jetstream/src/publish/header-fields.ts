import type { MsgHdrs } from '@nats-io/transport-node';

/** A header as the server reads it. Name and value hold no line break. */
export function field(name: string, value: string): string {
  return `${name}: ${value}\r\n`;
}

/**
 * Fields in the place of the client's own headers, which cost as much to fill and to write down as all the rest of sending.
 * The client asks what it sends for its bytes, and for nothing else.
 */
export function asHeaders(fields: string): MsgHdrs {
  const headers = { encode: () => Buffer.from(`NATS/1.0\r\n${fields}\r\n`) };
  return headers as unknown as MsgHdrs;
}
