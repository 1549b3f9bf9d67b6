import { ContractError } from './contract.error.js';
import { defineEvent, type EventBase } from './event-contract.js';
import {
  OrderCancelledSchema,
  OrderConfirmedSchema,
  OrderCreatedSchema,
} from './generated/proto/slipstream/orders/v1/orders_pb.js';
import { OrderCreatedSchema as OrderCreatedV2Schema } from './generated/proto/slipstream/orders/v2/orders_pb.js';
import type { OrderCancelledV1, OrderConfirmedV1, OrderCreatedV1, OrderCreatedV2 } from './generated/wire.js';
import { toMajorUnits, toMinorUnits } from './money.js';
import { cutReason, fromBase, fromLines, toBase, toLines, type OrderLine } from './wire.js';

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

/** Largest amount of the contracts: what is read must be fit to be published again. */
const MOST_MINOR = Number.MAX_SAFE_INTEGER - 1;
/** Currency of a v1 order that names none. */
const DEFAULT_CURRENCY = 'USD';

/** The article's five fields, plus additive ones. */
export const orderCreatedV1 = defineEvent({
  protobuf: OrderCreatedSchema,
  toEvent: ({ currency = DEFAULT_CURRENCY, ...wire }: OrderCreatedV1): OrderCreated => ({
    ...toBase(wire),
    customerId: wire.customer_id,
    currency,
    totalMinor: agreedTotal(wire, currency),
    lines: toLines(wire.lines),
  }),
  toWire: (event) => ({
    ...fromBase(event),
    customer_id: event.customerId,
    total_amount: doubleOf(event),
    currency: event.currency,
    total_minor: event.totalMinor,
    lines: fromLines(event.lines),
  }),
});

/** v1 without its double. */
export const orderCreatedV2 = defineEvent({
  protobuf: OrderCreatedV2Schema,
  toEvent: (wire: OrderCreatedV2): OrderCreated => ({
    ...toBase(wire),
    customerId: wire.customer_id,
    currency: wire.currency,
    totalMinor: wire.total_minor,
    lines: toLines(wire.lines),
  }),
  toWire: (event) => ({
    ...fromBase(event),
    customer_id: event.customerId,
    currency: event.currency,
    total_minor: event.totalMinor,
    lines: fromLines(event.lines),
  }),
});

export const orderConfirmedV1 = defineEvent({
  protobuf: OrderConfirmedSchema,
  toEvent: (wire: OrderConfirmedV1): OrderConfirmed => toBase(wire),
  toWire: fromBase,
});

export const orderCancelledV1 = defineEvent({
  protobuf: OrderCancelledSchema,
  toEvent: (wire: OrderCancelledV1): OrderCancelled => ({ ...toBase(wire), reason: cutReason(wire.reason) }),
  toWire: (event) => ({ ...fromBase(event), reason: cutReason(event.reason) }),
});

/** @throws ContractError for a total beyond 45 trillion, of which no double says the last digit */
function doubleOf({ totalMinor, currency }: OrderCreated): number {
  const amount = toMajorUnits(totalMinor, currency);
  if (toMinorUnits(amount, currency) === totalMinor) return amount;
  throw new ContractError(
    'CONTRACT_INVALID',
    `total_amount: cannot tell ${totalMinor} minor units exactly; publish v2`,
    'total_amount',
  );
}

/** The exact total and the double say the same, or the message is nobody's order. */
function agreedTotal(
  { total_amount, total_minor }: Pick<OrderCreatedV1, 'total_amount' | 'total_minor'>,
  currency: string,
): number {
  const rounded = toMinorUnits(total_amount, currency);
  if (!(rounded <= MOST_MINOR)) {
    throw new ContractError(
      'CONTRACT_INVALID',
      'total_amount: exceeds the largest exact amount',
      'total_amount',
    );
  }
  if (total_minor !== undefined && total_minor !== rounded) {
    throw new ContractError(
      'CONTRACT_INVALID',
      `total_minor: is ${total_minor} but total_amount says ${rounded}`,
      'total_minor',
    );
  }
  return rounded;
}
