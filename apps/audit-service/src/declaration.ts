import type { ApiDescription } from '@slipstream/bootstrap';
import type { ServiceDeclaration } from '@slipstream/jetstream';
import { inboxLedger, type LedgerDeclaration, type ServiceOptions } from '@slipstream/service';
import { placeOf } from './audit-record.js';
import { RecordingController } from './recording.controller.js';

/** What this service handles, publishes and answers: for its module, and for tools that describe it without running it. */
export const declaration = {
  name: 'audit-service',
  schema: 'audit',
  controllers: [RecordingController],
  publishes: [],
  api: {
    title: 'Audit',
    description: 'Keeps every message of every stream, and proves that none was changed.',
  },
  ledgers: Object.fromEntries(
    ['audit-orders', 'audit-payments', 'audit-inventory'].map((durable) => [
      durable,
      inboxLedger(durable, ({ at, ...message }) => placeOf({ ...message, timestamp: at })),
    ]),
  ),
} satisfies ServiceDeclaration &
  LedgerDeclaration &
  Pick<ServiceOptions, 'schema' | 'publishes'> & { api: ApiDescription };
