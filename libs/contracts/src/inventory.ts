import { defineEvent, type EventBase } from './event-contract.js';
import {
  InventoryRejectedSchema,
  InventoryReleasedSchema,
  InventoryReservedSchema,
} from './generated/proto/slipstream/inventory/v1/inventory_pb.js';
import type { InventoryRejectedV1, InventoryReleasedV1, InventoryReservedV1 } from './generated/wire.js';
import { cutReason, fromBase, fromLines, toBase, toLines, type OrderLine } from './wire.js';

export interface InventoryReserved extends EventBase {
  readonly lines: readonly OrderLine[];
}

export interface InventoryRejected extends EventBase {
  readonly reason: string;
}

export type InventoryReleased = EventBase;

export const inventoryReservedV1 = defineEvent({
  protobuf: InventoryReservedSchema,
  toEvent: (wire: InventoryReservedV1): InventoryReserved => ({
    ...toBase(wire),
    lines: toLines(wire.lines),
  }),
  toWire: (event) => ({ ...fromBase(event), lines: fromLines(event.lines) }),
});

export const inventoryRejectedV1 = defineEvent({
  protobuf: InventoryRejectedSchema,
  toEvent: (wire: InventoryRejectedV1): InventoryRejected => ({
    ...toBase(wire),
    reason: cutReason(wire.reason),
  }),
  toWire: (event) => ({ ...fromBase(event), reason: cutReason(event.reason) }),
});

export const inventoryReleasedV1 = defineEvent({
  protobuf: InventoryReleasedSchema,
  toEvent: (wire: InventoryReleasedV1): InventoryReleased => toBase(wire),
  toWire: fromBase,
});
