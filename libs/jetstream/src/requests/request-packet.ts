import type { Msg } from '@nats-io/transport-node';

/** A request as it came: Nest's packet, or any other JSON as the data itself. */
export interface RequestPacket {
  /** Repeated in every packet of the answer. Absent when a plain client asks. */
  readonly id: string | undefined;
  readonly data: unknown;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** @throws SyntaxError, TypeError when the bytes are no JSON */
export function readRequest({ data }: Pick<Msg, 'data'>): RequestPacket {
  const value: unknown = data.length === 0 ? undefined : JSON.parse(utf8.decode(data));
  if (!isPacket(value)) return { id: undefined, data: value };
  return { id: typeof value.id === 'string' ? value.id : undefined, data: value.data };
}

function isPacket(value: unknown): value is { id?: unknown; data?: unknown } {
  return typeof value === 'object' && value !== null && ('pattern' in value || 'data' in value);
}
