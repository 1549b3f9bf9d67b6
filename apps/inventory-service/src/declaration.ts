import { inventoryRejectedV1, inventoryReleasedV1, inventoryReservedV1 } from '@slipstream/contracts';
import { outboxMigrations } from '@slipstream/outbox';
import type { DeclaredService } from '@slipstream/service';
import { ReservationsController } from './reservations.controller.js';
import { CreateStock1763700000002 } from './migrations/create-stock.js';

/** What this service handles, publishes and answers: for its module, and for tools that describe it without running it. */
export const declaration = {
  name: 'inventory-service',
  schema: 'inventory',
  controllers: [ReservationsController],
  migrations: [...outboxMigrations, CreateStock1763700000002],
  publishes: [inventoryReservedV1, inventoryRejectedV1, inventoryReleasedV1],
  api: {
    title: 'Inventory',
    description: 'Keeps stock and reserves it for orders.',
  },
} satisfies DeclaredService;
