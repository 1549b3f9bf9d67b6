import type { ServiceDeclaration } from '@slipstream/jetstream';
import { ReservationsController } from './reservations.controller.js';

/** What this service handles: for its module, and for tools that describe it without running it. */
export const declaration = {
  name: 'inventory-service',
  controllers: [ReservationsController],
} satisfies ServiceDeclaration;
