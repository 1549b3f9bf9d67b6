import type { ServiceDeclaration } from '@slipstream/jetstream';
import { IntakeController } from './intake.controller.js';
import { SettlementController } from './settlement.controller.js';

/** What this service handles: for its module, and for tools that describe it without running it. */
export const declaration = {
  name: 'order-service',
  controllers: [IntakeController, SettlementController],
} satisfies ServiceDeclaration;
