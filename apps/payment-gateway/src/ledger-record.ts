import { z } from 'zod';

const charge = z.object({
  chargeId: z.string(),
  orderId: z.string(),
  amountMinor: z.int(),
  currency: z.string(),
  status: z.enum(['succeeded', 'declined']),
  createdAt: z.string(),
});

const refund = z.object({
  refundId: z.string(),
  chargeId: z.string(),
  orderId: z.string(),
  amountMinor: z.int(),
  currency: z.string(),
  createdAt: z.string(),
});

/** A key under which nothing was charged, and never will be. */
const closing = z.object({ status: z.literal('closed'), createdAt: z.string() });

/** One line of the ledger: an effect, under the idempotency key of the charge it belongs to. */
export const ledgerRecord = z.discriminatedUnion('type', [
  z.object({ type: z.literal('charge'), key: z.string(), charge }),
  z.object({ type: z.literal('close'), key: z.string(), closing }),
  z.object({ type: z.literal('refund'), key: z.string(), refund }),
]);

export type LedgerRecord = z.output<typeof ledgerRecord>;
export type Charge = z.output<typeof charge>;
export type Refund = z.output<typeof refund>;
export type Closing = z.output<typeof closing>;
