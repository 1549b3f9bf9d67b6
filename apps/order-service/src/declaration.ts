import type { ServiceDeclaration } from '@slipstream/jetstream';
import type { ServiceOptions } from '@slipstream/service';
import { IntakeController } from './intake.controller.js';
import { SettlementController } from './settlement.controller.js';

/** What this service handles: for its module, and for tools that describe it without running it. */
export const declaration = {
  name: 'order-service',
  schema: 'orders',
  controllers: [IntakeController, SettlementController],
} satisfies ServiceDeclaration & Pick<ServiceOptions, 'schema'>;
