import type { ApiDescription } from '@slipstream/bootstrap';
import { orderCancelledV1, orderConfirmedV1, orderCreatedV1, orderCreatedV2 } from '@slipstream/contracts';
import type { ServiceDeclaration } from '@slipstream/jetstream';
import type { LedgerDeclaration, ServiceOptions } from '@slipstream/service';
import { IntakeController } from './intake.controller.js';
import { SettlementController } from './settlement.controller.js';

/** What this service handles, publishes and answers: for its module, and for tools that describe it without running it. */
export const declaration = {
  name: 'order-service',
  schema: 'orders',
  controllers: [IntakeController, SettlementController],
  publishes: [orderCreatedV1, orderCreatedV2, orderConfirmedV1, orderCancelledV1],
  api: {
    title: 'Orders',
    description: 'Takes orders and follows them until they are confirmed or cancelled.',
  },
  ledgers: {
    // What this service published itself never comes to the inbox.
    'order-intake': {
      keyOf: ({ orderId }) => orderId,
      query: `SELECT order_id AS key FROM orders WHERE order_id = ANY ($1::text[]) AND customer_id IS NOT NULL`,
      isInbox: false,
    },
  },
} satisfies ServiceDeclaration &
  LedgerDeclaration &
  Pick<ServiceOptions, 'schema' | 'publishes'> & { api: ApiDescription };
