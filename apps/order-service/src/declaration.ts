import { orderCancelledV1, orderConfirmedV1, orderCreatedV1, orderCreatedV2 } from '@slipstream/contracts';
import { outboxMigrations } from '@slipstream/outbox';
import type { DeclaredService } from '@slipstream/service';
import { IntakeController } from './intake.controller.js';
import { SettlementController } from './settlement.controller.js';
import { CreateOrders1763700000002 } from './migrations/create-orders.js';
import { DeriveOrderStatus1763700000010 } from './migrations/derive-order-status.js';

/** What this service handles, publishes and answers: for its module, and for tools that describe it without running it. */
export const declaration = {
  name: 'order-service',
  schema: 'orders',
  controllers: [IntakeController, SettlementController],
  migrations: [...outboxMigrations, CreateOrders1763700000002, DeriveOrderStatus1763700000010],
  publishes: [orderCreatedV1, orderCreatedV2, orderConfirmedV1, orderCancelledV1],
  api: {
    title: 'Orders',
    description: 'Takes orders and follows them until they are confirmed or cancelled.',
  },
  ledgers: {
    // What this service published itself never comes to the inbox.
    'order-intake': {
      keyOf: ({ subject, orderId }) => `${subject.startsWith('orders.cancelled.') ? '-' : '+'}${orderId}`,
      query: `SELECT key FROM unnest($1::text[]) AS k (key) JOIN orders o ON o.order_id = substr(key, 2)
              WHERE CASE WHEN key LIKE '+%' THEN o.customer_id IS NOT NULL ELSE o.status = 'cancelled' END`,
      isInbox: false,
    },
  },
} satisfies DeclaredService;
