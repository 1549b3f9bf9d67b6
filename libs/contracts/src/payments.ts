import { defineEvent, type EventBase } from './event-contract.js';
import {
  PaymentCompletedSchema,
  PaymentFailedSchema,
  PaymentRefundedSchema,
} from './generated/proto/slipstream/payments/v1/payments_pb.js';
import type { PaymentCompletedV1, PaymentFailedV1, PaymentRefundedV1 } from './generated/wire.js';
import { cutReason, fromBase, toBase } from './wire.js';

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

function toMovement(wire: PaymentCompletedV1 | PaymentRefundedV1): PaymentCompleted {
  return {
    ...toBase(wire),
    chargeId: wire.charge_id,
    amountMinor: wire.amount_minor,
    currency: wire.currency,
  };
}

function fromMovement(event: PaymentCompleted): PaymentCompletedV1 & PaymentRefundedV1 {
  return {
    ...fromBase(event),
    charge_id: event.chargeId,
    amount_minor: event.amountMinor,
    currency: event.currency,
  };
}

export const paymentCompletedV1 = defineEvent({
  protobuf: PaymentCompletedSchema,
  toEvent: toMovement,
  toWire: fromMovement,
});

export const paymentFailedV1 = defineEvent({
  protobuf: PaymentFailedSchema,
  toEvent: (wire: PaymentFailedV1): PaymentFailed => ({ ...toBase(wire), reason: cutReason(wire.reason) }),
  toWire: (event) => ({ ...fromBase(event), reason: cutReason(event.reason) }),
});

export const paymentRefundedV1 = defineEvent({
  protobuf: PaymentRefundedSchema,
  toEvent: toMovement,
  toWire: fromMovement,
});
