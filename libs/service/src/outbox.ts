import type { DynamicModule } from '@nestjs/common';
import { JetStreamPublisher, StreamIndex } from '@slipstream/jetstream';
import { outboxMetrics } from '@slipstream/observability';
import { OutboxModule } from '@slipstream/outbox';
import type { ServiceEnvironment } from './environment.js';

/** The outbox of a service: its relay publishes to the streams, its figures are in `/metrics`. */
export function outboxModule({ OUTBOX_MAX_PENDING, OUTBOX_RETENTION }: ServiceEnvironment): DynamicModule {
  return OutboxModule.forRootAsync({
    inject: [JetStreamPublisher, StreamIndex],
    useFactory: (publisher: JetStreamPublisher, streams: StreamIndex) => ({
      publisher,
      streams,
      observer: outboxMetrics(),
      maxPending: OUTBOX_MAX_PENDING,
      retentionMs: OUTBOX_RETENTION,
    }),
  });
}
