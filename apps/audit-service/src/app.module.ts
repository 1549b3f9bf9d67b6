import { Module, type DynamicModule, type FactoryProvider } from '@nestjs/common';
import { JetStreamConnection, JetStreamPublisher } from '@slipstream/jetstream';
import { ServiceModule } from '@slipstream/service';
import { AuditLog } from './audit-log.js';
import { AuditVerifier } from './audit-verifier.js';
import { AuditController } from './audit.controller.js';
import { ChainHeads } from './chain-heads.js';
import { CompressedSegmentStore } from './compressed.segment-store.js';
import type { Config } from './config.js';
import { declaration } from './declaration.js';
import { IndexRecovery } from './index-recovery.js';
import { NatsSegmentStore } from './nats.segment-store.js';
import { OrderReplay } from './order-replay.js';
import { S3SegmentStore, type S3Options } from './s3.segment-store.js';
import { SegmentStore } from './segment-store.js';
import { SegmentsRepository } from './segments.repository.js';
import { loadSigningKey } from './signing-key.js';

@Module({})
export class AppModule {
  static register(config: Config): DynamicModule {
    return {
      module: AppModule,
      imports: [
        ServiceModule.forRoot({
          ...declaration,
          config,
        }),
      ],
      controllers: [...declaration.controllers, AuditController],
      providers: [
        AuditLog,
        AuditVerifier,
        IndexRecovery,
        OrderReplay,
        SegmentsRepository,
        segmentStore(config),
        chainHeads(config),
      ],
    };
  }
}

function segmentStore(config: Config): FactoryProvider<SegmentStore> {
  return {
    provide: SegmentStore,
    inject: [JetStreamConnection],
    useFactory: (connection: JetStreamConnection) =>
      new CompressedSegmentStore(
        config.AUDIT_STORE === 's3'
          ? new S3SegmentStore(s3Options(config))
          : new NatsSegmentStore(connection, provisioning(config)),
      ),
  };
}

function s3Options(config: Config): S3Options {
  const { S3_ACCESS_KEY_ID: accessKeyId, S3_SECRET_ACCESS_KEY: secretAccessKey } = config;
  return {
    bucket: config.S3_BUCKET,
    region: config.S3_REGION,
    endpoint: config.S3_ENDPOINT,
    credentials: accessKeyId && secretAccessKey ? { accessKeyId, secretAccessKey } : undefined,
    retentionDays: config.AUDIT_RETENTION_DAYS,
  };
}

function chainHeads(config: Config): FactoryProvider<ChainHeads> {
  return {
    provide: ChainHeads,
    inject: [JetStreamConnection, JetStreamPublisher],
    useFactory: (connection: JetStreamConnection, publisher: JetStreamPublisher) =>
      ChainHeads.open(connection, publisher, {
        key: loadSigningKey(config.AUDIT_SIGNING_KEY_FILE),
        ...provisioning(config),
      }),
  };
}

function provisioning({ STREAM_REPLICAS, JETSTREAM_TOPOLOGY }: Config) {
  return { replicas: STREAM_REPLICAS, onlyBinds: JETSTREAM_TOPOLOGY === 'bind' };
}
