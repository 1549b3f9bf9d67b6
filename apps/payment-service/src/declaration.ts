import type { ApiDescription } from '@slipstream/bootstrap';
import { paymentCompletedV1, paymentFailedV1, paymentRefundedV1 } from '@slipstream/contracts';
import type { ServiceDeclaration } from '@slipstream/jetstream';
import type { LedgerDeclaration, ServiceOptions } from '@slipstream/service';
import { PaymentsController } from './payments.controller.js';

/** What this service handles, publishes and answers: for its module, and for tools that describe it without running it. */
export const declaration = {
  name: 'payment-service',
  schema: 'payments',
  controllers: [PaymentsController],
  publishes: [paymentCompletedV1, paymentFailedV1, paymentRefundedV1],
  api: {
    title: 'Payments',
    description: 'Charges orders once and refunds cancelled ones.',
  },
  ledgers: {
    // The row of an order is its inbox: it shows that the order came, and that its cancellation did.
    'payment-orders': {
      keyOf: ({ subject, orderId }) => `${subject.startsWith('orders.cancelled.') ? '-' : '+'}${orderId}`,
      query: `SELECT key FROM unnest($1::text[]) AS k (key) JOIN payments p ON p.order_id = substr(key, 2)
              WHERE key LIKE '+%' OR p.state NOT IN ('intent', 'sent', 'unknown', 'succeeded')`,
      isInbox: false,
    },
  },
} satisfies ServiceDeclaration &
  LedgerDeclaration &
  Pick<ServiceOptions, 'schema' | 'publishes'> & { api: ApiDescription };
