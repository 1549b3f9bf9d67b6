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

/** Longer reasons are cut: an event must not fail for its explanation. */
export function cutReason(reason: string): string {
  return reason.slice(0, LONGEST_REASON);
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
