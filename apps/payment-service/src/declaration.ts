import type { ServiceDeclaration } from '@slipstream/jetstream';
import { PaymentsController } from './payments.controller.js';

/** What this service handles: for its module, and for tools that describe it without running it. */
export const declaration = {
  name: 'payment-service',
  controllers: [PaymentsController],
} satisfies ServiceDeclaration;
