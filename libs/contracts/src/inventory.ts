import { z } from 'zod';
import { defineEvent, type EventBase } from './event-contract.js';
import { fromLine, toLine, type OrderLine } from './orders.js';
import { baseFields, fromBase, linesSchema, reasonSchema, toBase } from './wire.js';

export interface InventoryReserved extends EventBase {
  readonly lines: readonly OrderLine[];
}

export interface InventoryRejected extends EventBase {
  readonly reason: string;
}

export type InventoryReleased = EventBase;

export const inventoryReservedV1 = defineEvent({
  name: 'inventory.reserved',
  version: 1,
  schema: z.object({ ...baseFields, lines: linesSchema }),
  toEvent: (wire): InventoryReserved => ({ ...toBase(wire), lines: wire.lines.map(toLine) }),
  toWire: (event) => ({ ...fromBase(event), lines: event.lines.map(fromLine) }),
});

export const inventoryRejectedV1 = defineEvent({
  name: 'inventory.rejected',
  version: 1,
  schema: z.object({ ...baseFields, reason: reasonSchema }),
  toEvent: (wire): InventoryRejected => ({ ...toBase(wire), reason: wire.reason }),
  toWire: (event) => ({ ...fromBase(event), reason: event.reason }),
});

export const inventoryReleasedV1 = defineEvent({
  name: 'inventory.released',
  version: 1,
  schema: z.object(baseFields),
  toEvent: (wire): InventoryReleased => toBase(wire),
  toWire: fromBase,
});
