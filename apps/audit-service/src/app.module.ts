import { Module, type DynamicModule } from '@nestjs/common';
import { CreateInbox1763700000000 } from '@slipstream/idempotency';
import { ServiceModule } from '@slipstream/service';
import { AuditLog } from './audit-log.js';
import { AuditController } from './audit.controller.js';
import type { Config } from './config.js';
import { CreateSegments1763700000002 } from './migrations/create-segments.js';
import { RecordingController } from './recording.controller.js';
import { SegmentStore } from './segment-store.js';
import { SegmentsRepository } from './segments.repository.js';

@Module({})
export class AppModule {
  static register(config: Config): DynamicModule {
    return {
      module: AppModule,
      imports: [
        ServiceModule.forRoot({
          name: 'audit-service',
          config,
          schema: 'audit',
          migrations: [CreateInbox1763700000000, CreateSegments1763700000002],
        }),
      ],
      controllers: [RecordingController, AuditController],
      providers: [AuditLog, SegmentsRepository, SegmentStore.provider(config.STREAM_REPLICAS)],
    };
  }
}
