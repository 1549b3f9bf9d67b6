import { z } from 'zod';
import { ContractError } from './contract.error.js';
import { defineEvent, type EventBase } from './event-contract.js';
import { toMajorUnits, toMinorUnits } from './money.js';
import {
  baseFields,
  currencySchema,
  fromBase,
  idSchema,
  lineSchema,
  linesSchema,
  minorAmountSchema,
  reasonSchema,
  toBase,
} from './wire.js';

export interface OrderLine {
  readonly sku: string;
  readonly quantity: number;
  readonly unitPriceMinor: number;
}

export interface OrderCreated extends EventBase {
  readonly customerId: string;
  readonly currency: string;
  readonly totalMinor: number;
  /** Empty when the producer knows only the article's five fields. */
  readonly lines: readonly OrderLine[];
}

export type OrderConfirmed = EventBase;

export interface OrderCancelled extends EventBase {
  readonly reason: string;
}

/** Currency of a v1 order that names none. */
const DEFAULT_CURRENCY = 'USD';

/** The article's five fields, plus additive ones. */
export const orderCreatedV1 = defineEvent({
  name: 'orders.created',
  version: 1,
  schema: z.object({
    ...baseFields,
    customer_id: idSchema,
    total_amount: z.number().min(0),
    currency: currencySchema.default(DEFAULT_CURRENCY),
    total_minor: minorAmountSchema.optional(),
    lines: linesSchema.default([]),
  }),
  toEvent: (wire): OrderCreated => ({
    ...toBase(wire),
    customerId: wire.customer_id,
    currency: wire.currency,
    totalMinor: agreedTotal(wire),
    lines: wire.lines.map(toLine),
  }),
  toWire: (event) => ({
    ...fromBase(event),
    customer_id: event.customerId,
    total_amount: toMajorUnits(event.totalMinor, event.currency),
    currency: event.currency,
    total_minor: event.totalMinor,
    lines: event.lines.map(fromLine),
  }),
});

/** v1 without its double. */
export const orderCreatedV2 = defineEvent({
  name: 'orders.created',
  version: 2,
  schema: z.object({
    ...baseFields,
    customer_id: idSchema,
    currency: currencySchema,
    total_minor: minorAmountSchema,
    lines: linesSchema,
  }),
  toEvent: (wire): OrderCreated => ({
    ...toBase(wire),
    customerId: wire.customer_id,
    currency: wire.currency,
    totalMinor: wire.total_minor,
    lines: wire.lines.map(toLine),
  }),
  toWire: (event) => ({
    ...fromBase(event),
    customer_id: event.customerId,
    currency: event.currency,
    total_minor: event.totalMinor,
    lines: event.lines.map(fromLine),
  }),
});

export const orderConfirmedV1 = defineEvent({
  name: 'orders.confirmed',
  version: 1,
  schema: z.object(baseFields),
  toEvent: (wire): OrderConfirmed => toBase(wire),
  toWire: fromBase,
});

export const orderCancelledV1 = defineEvent({
  name: 'orders.cancelled',
  version: 1,
  schema: z.object({ ...baseFields, reason: reasonSchema }),
  toEvent: (wire): OrderCancelled => ({ ...toBase(wire), reason: wire.reason }),
  toWire: (event) => ({ ...fromBase(event), reason: event.reason }),
});

export function toLine(wire: z.infer<typeof lineSchema>): OrderLine {
  return { sku: wire.sku, quantity: wire.quantity, unitPriceMinor: wire.unit_price_minor };
}

export function fromLine(line: OrderLine): z.infer<typeof lineSchema> {
  return { sku: line.sku, quantity: line.quantity, unit_price_minor: line.unitPriceMinor };
}

/** The exact total wins over the double, but a message in which they disagree is nobody's order. */
function agreedTotal(wire: {
  total_amount: number;
  total_minor?: number | undefined;
  currency: string;
}): number {
  const rounded = toMinorUnits(wire.total_amount, wire.currency);
  if (!Number.isSafeInteger(rounded)) {
    throw new ContractError(
      'CONTRACT_INVALID',
      'total_amount: exceeds the largest exact amount',
      'total_amount',
    );
  }
  if (wire.total_minor !== undefined && wire.total_minor !== rounded) {
    throw new ContractError(
      'CONTRACT_INVALID',
      `total_minor: is ${wire.total_minor} but total_amount says ${rounded}`,
      'total_minor',
    );
  }
  return rounded;
}
