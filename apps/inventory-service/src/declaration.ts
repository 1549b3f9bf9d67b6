import { inventoryRejectedV1, inventoryReleasedV1, inventoryReservedV1 } from '@slipstream/contracts';
import type { ServiceDeclaration } from '@slipstream/jetstream';
import type { ServiceOptions } from '@slipstream/service';
import { ReservationsController } from './reservations.controller.js';

/** What this service handles and publishes: for its module, and for tools that describe it without running it. */
export const declaration = {
  name: 'inventory-service',
  schema: 'inventory',
  controllers: [ReservationsController],
  publishes: [inventoryRejectedV1, inventoryReleasedV1, inventoryReservedV1].map(({ subject }) => subject),
} satisfies ServiceDeclaration & Pick<ServiceOptions, 'schema'>;
