import type { ServiceDeclaration } from '@slipstream/jetstream';
import type { ServiceOptions } from '@slipstream/service';
import { RecordingController } from './recording.controller.js';

/** What this service handles: for its module, and for tools that describe it without running it. */
export const declaration = {
  name: 'audit-service',
  schema: 'audit',
  controllers: [RecordingController],
} satisfies ServiceDeclaration & Pick<ServiceOptions, 'schema'>;
