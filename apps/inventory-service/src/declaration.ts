import { inventoryRejectedV1, inventoryReleasedV1, inventoryReservedV1 } from '@slipstream/contracts';
import type { ServiceDeclaration } from '@slipstream/jetstream';
import { outboxMigrations } from '@slipstream/outbox';
import type { ServiceOptions } from '@slipstream/service';
import { ReservationsController } from './reservations.controller.js';
import { CreateStock1763700000002 } from './migrations/create-stock.js';

/** What this service handles and publishes: for its module, and for tools that describe it without running it. */
export const declaration = {
  name: 'inventory-service',
  schema: 'inventory',
  controllers: [ReservationsController],
  publishes: [inventoryRejectedV1, inventoryReleasedV1, inventoryReservedV1].map(({ subject }) => subject),
  migrations: [...outboxMigrations, CreateStock1763700000002],
} satisfies ServiceDeclaration & Pick<ServiceOptions, 'schema' | 'migrations'>;
