import { paymentCompletedV1, paymentFailedV1, paymentRefundedV1 } from '@slipstream/contracts';
import { outboxMigrations } from '@slipstream/outbox';
import type { DeclaredService } from '@slipstream/service';
import { PaymentsController } from './payments.controller.js';
import { CreatePayments1763700000002 } from './migrations/create-payments.js';
import { IndexDeclinedRefunds1763900000001 } from './migrations/index-declined-refunds.js';
import { ReshapePayments1763700000003 } from './migrations/reshape-payments.js';

/** What this service handles, publishes and answers: for its module, and for tools that describe it without running it. */
export const declaration = {
  name: 'payment-service',
  schema: 'payments',
  controllers: [PaymentsController],
  migrations: [
    ...outboxMigrations,
    CreatePayments1763700000002,
    ReshapePayments1763700000003,
    IndexDeclinedRefunds1763900000001,
  ],
  publishes: [paymentCompletedV1, paymentFailedV1, paymentRefundedV1],
  api: {
    title: 'Payments',
    description: 'Charges orders once and refunds cancelled ones.',
  },
  ledgers: {
    // The row of an order is its inbox: its price shows that the order came, its state that its cancellation did.
    'payment-orders': {
      keyOf: ({ subject, orderId }) => `${subject.startsWith('orders.cancelled.') ? '-' : '+'}${orderId}`,
      query: `SELECT key FROM unnest($1::text[]) AS k (key) JOIN payments p ON p.order_id = substr(key, 2)
              WHERE CASE WHEN key LIKE '+%' THEN p.amount_minor IS NOT NULL
                ELSE p.state NOT IN ('intent', 'sent', 'unknown', 'succeeded') END`,
      isInbox: false,
    },
  },
} satisfies DeclaredService;
