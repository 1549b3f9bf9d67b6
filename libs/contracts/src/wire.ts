import { z } from 'zod';
import type { EventBase } from './event-contract.js';

/** Largest amount that stays exact in JavaScript, in a double and in PostgreSQL's bigint. */
const MAX_MINOR = Number.MAX_SAFE_INTEGER;

/** Last millisecond a JavaScript date can hold. */
const MAX_TIME = 8_640_000_000_000_000;

/** UUIDs, ULIDs and other short printable keys. Dots and wildcards are left out: ids become subject tokens and keys. */
export const idSchema = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, "-" or "_"');
export const currencySchema = z.string().regex(/^[A-Z]{3}$/, 'must be an ISO 4217 code such as EUR');
export const minorAmountSchema = z.int().min(0).max(MAX_MINOR);
/** Longer reasons are cut when they are written: an event must not fail for its explanation. */
export const reasonSchema = z.string().transform((reason) => reason.slice(0, 500));

export const lineSchema = z.object({
  sku: z.string().regex(/^[\w.-]{1,64}$/, 'must be 1 to 64 letters, digits, "-", "_" or "."'),
  quantity: z.int().min(1).max(1_000_000),
  unit_price_minor: minorAmountSchema,
});

export const linesSchema = z.array(lineSchema).max(500);

/** Fields of every event. */
export const baseFields = {
  message_id: idSchema,
  order_id: idSchema,
  created_at: z.int().min(0).max(MAX_TIME),
};

interface BaseWire {
  message_id: string;
  order_id: string;
  created_at: number;
}

export function toBase(wire: BaseWire): EventBase {
  return { messageId: wire.message_id, orderId: wire.order_id, createdAt: wire.created_at };
}

export function fromBase(event: EventBase): BaseWire {
  return { message_id: event.messageId, order_id: event.orderId, created_at: event.createdAt };
}
