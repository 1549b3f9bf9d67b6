import { streams } from '@slipstream/contracts';
import { inboxLedger, type DeclaredService } from '@slipstream/service';
import { placeOf, recorderOf } from './audit-record.js';
import { auditStorage } from './audit-storage.js';
import { RecordingController } from './recording.controller.js';
import { CreateAuditSegments1763900000002 } from './migrations/create-audit-segments.js';
import { SignAuditSegments1764000000001 } from './migrations/sign-audit-segments.js';

/** What this service handles, publishes and answers: for its module, and for tools that describe it without running it. */
export const declaration = {
  name: 'audit-service',
  schema: 'audit',
  controllers: [RecordingController],
  storage: auditStorage,
  // It reads every stream anyway, and may write dead letters of each.
  overseesStreams: true,
  migrations: [CreateAuditSegments1763900000002, SignAuditSegments1764000000001],
  publishes: [],
  api: {
    title: 'Audit',
    description: 'Keeps every message of every stream, and proves that none was changed.',
  },
  ledgers: Object.fromEntries(
    streams.map(({ name }) => [
      recorderOf(name),
      inboxLedger(recorderOf(name), ({ at, ...message }) => placeOf({ ...message, timestamp: at })),
    ]),
  ),
} satisfies DeclaredService;
