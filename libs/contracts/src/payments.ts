import { z } from 'zod';
import { defineEvent, type EventBase } from './event-contract.js';
import {
  baseFields,
  currencySchema,
  fromBase,
  idSchema,
  minorAmountSchema,
  reasonSchema,
  toBase,
} from './wire.js';

export interface PaymentCompleted extends EventBase {
  /** The gateway's id of the charge. */
  readonly chargeId: string;
  readonly amountMinor: number;
  readonly currency: string;
}

export interface PaymentFailed extends EventBase {
  readonly reason: string;
}

export type PaymentRefunded = PaymentCompleted;

const movementSchema = z.object({
  ...baseFields,
  charge_id: idSchema,
  amount_minor: minorAmountSchema,
  currency: currencySchema,
});

function toMovement(wire: z.infer<typeof movementSchema>): PaymentCompleted {
  return {
    ...toBase(wire),
    chargeId: wire.charge_id,
    amountMinor: wire.amount_minor,
    currency: wire.currency,
  };
}

function fromMovement(event: PaymentCompleted): z.infer<typeof movementSchema> {
  return {
    ...fromBase(event),
    charge_id: event.chargeId,
    amount_minor: event.amountMinor,
    currency: event.currency,
  };
}

export const paymentCompletedV1 = defineEvent({
  name: 'payments.completed',
  version: 1,
  schema: movementSchema,
  toEvent: toMovement,
  toWire: fromMovement,
});

export const paymentFailedV1 = defineEvent({
  name: 'payments.failed',
  version: 1,
  schema: z.object({ ...baseFields, reason: reasonSchema }),
  toEvent: (wire): PaymentFailed => ({ ...toBase(wire), reason: wire.reason }),
  toWire: (event) => ({ ...fromBase(event), reason: event.reason }),
});

export const paymentRefundedV1 = defineEvent({
  name: 'payments.refunded',
  version: 1,
  schema: movementSchema,
  toEvent: toMovement,
  toWire: fromMovement,
});
