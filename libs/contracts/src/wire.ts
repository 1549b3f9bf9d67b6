import type { EventBase } from './event-contract.js';
import type { OrderLineV1 } from './generated/wire.js';

const LONGEST_REASON = 500;

export interface OrderLine {
  readonly sku: string;
  readonly quantity: number;
  readonly unitPriceMinor: number;
}

interface BaseWire {
  readonly message_id: string;
  readonly order_id: string;
  readonly created_at: number;
}

export function toBase(wire: BaseWire): EventBase {
  return { messageId: wire.message_id, orderId: wire.order_id, createdAt: wire.created_at };
}

export function fromBase(event: EventBase): BaseWire {
  return { message_id: event.messageId, order_id: event.orderId, created_at: event.createdAt };
}

/**
 * Longer reasons are cut, but through no character, and what PostgreSQL or UTF-8 has no form for is replaced: an event must
 * not fail for its explanation.
 */
export function cutReason(reason: string): string {
  const cut = reason.slice(0, LONGEST_REASON).replace(/[\ud800-\udbff]$/, '');
  return cut.toWellFormed().replaceAll('\0', '\ufffd');
}

export function toLines(lines: readonly OrderLineV1[] = []): OrderLine[] {
  return lines.map((line) => ({
    sku: line.sku,
    quantity: line.quantity,
    unitPriceMinor: line.unit_price_minor,
  }));
}

export function fromLines(lines: readonly OrderLine[]): OrderLineV1[] {
  return lines.map((line) => ({
    sku: line.sku,
    quantity: line.quantity,
    unit_price_minor: line.unitPriceMinor,
  }));
}
