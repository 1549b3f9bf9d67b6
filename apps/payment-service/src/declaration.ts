import type { ServiceDeclaration } from '@slipstream/jetstream';
import type { ServiceOptions } from '@slipstream/service';
import { PaymentsController } from './payments.controller.js';

/** What this service handles: for its module, and for tools that describe it without running it. */
export const declaration = {
  name: 'payment-service',
  schema: 'payments',
  controllers: [PaymentsController],
} satisfies ServiceDeclaration & Pick<ServiceOptions, 'schema'>;
