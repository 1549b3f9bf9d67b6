import type { ServiceDeclaration } from '@slipstream/jetstream';
import type { ServiceOptions } from '@slipstream/service';
import { ReservationsController } from './reservations.controller.js';

/** What this service handles: for its module, and for tools that describe it without running it. */
export const declaration = {
  name: 'inventory-service',
  schema: 'inventory',
  controllers: [ReservationsController],
} satisfies ServiceDeclaration & Pick<ServiceOptions, 'schema'>;
