import type { ServiceDeclaration } from '@slipstream/jetstream';
import { RecordingController } from './recording.controller.js';

/** What this service handles: for its module, and for tools that describe it without running it. */
export const declaration = {
  name: 'audit-service',
  controllers: [RecordingController],
} satisfies ServiceDeclaration;
