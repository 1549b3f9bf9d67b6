import { orderCancelledV1, orderConfirmedV1, orderCreatedV1, orderCreatedV2 } from '@slipstream/contracts';
import type { ServiceDeclaration } from '@slipstream/jetstream';
import { outboxMigrations } from '@slipstream/outbox';
import type { LedgerDeclaration, ServiceOptions } from '@slipstream/service';
import { IntakeController } from './intake.controller.js';
import { SettlementController } from './settlement.controller.js';
import { CreateOrders1763700000002 } from './migrations/create-orders.js';
import { DeriveOrderStatus1763700000010 } from './migrations/derive-order-status.js';

/** What this service handles and publishes: for its module, and for tools that describe it without running it. */
export const declaration = {
  name: 'order-service',
  schema: 'orders',
  controllers: [IntakeController, SettlementController],
  publishes: [orderCancelledV1, orderConfirmedV1, orderCreatedV1, orderCreatedV2].map(
    ({ subject }) => subject,
  ),
  migrations: [...outboxMigrations, CreateOrders1763700000002, DeriveOrderStatus1763700000010],
  ledgers: {
    // What this service published itself never comes to the inbox.
    'order-intake': {
      keyOf: ({ orderId }) => orderId,
      query: `SELECT order_id AS key FROM orders WHERE order_id = ANY ($1::text[]) AND customer_id IS NOT NULL`,
      isInbox: false,
    },
  },
} satisfies ServiceDeclaration & LedgerDeclaration & Pick<ServiceOptions, 'schema' | 'migrations'>;
