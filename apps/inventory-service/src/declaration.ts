import type { ApiDescription } from '@slipstream/bootstrap';
import { inventoryRejectedV1, inventoryReleasedV1, inventoryReservedV1 } from '@slipstream/contracts';
import type { ServiceDeclaration } from '@slipstream/jetstream';
import type { ServiceOptions } from '@slipstream/service';
import { ReservationsController } from './reservations.controller.js';

/** What this service handles, publishes and answers: for its module, and for tools that describe it without running it. */
export const declaration = {
  name: 'inventory-service',
  schema: 'inventory',
  controllers: [ReservationsController],
  publishes: [inventoryReservedV1, inventoryRejectedV1, inventoryReleasedV1],
  api: {
    title: 'Inventory',
    description: 'Keeps stock and reserves it for orders.',
  },
} satisfies ServiceDeclaration & Pick<ServiceOptions, 'schema' | 'publishes'> & { api: ApiDescription };
