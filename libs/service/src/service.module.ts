import { Global, Module, type DynamicModule, type OnModuleInit } from '@nestjs/common';
import { ERROR_TRANSLATION, ProblemException } from '@slipstream/bootstrap';
import { EventEncoder, streams, type EventContract } from '@slipstream/contracts';
import {
  connectionCheck,
  consumersCheck,
  databaseCheck,
  degradable,
  HealthModule,
  outboxCheck,
  type HealthCheck,
} from '@slipstream/health';
import { IdempotencyModule, inboxMigrations, PostgresInbox } from '@slipstream/idempotency';
import { JetStreamConnection, JetStreamModule, JetStreamServer } from '@slipstream/jetstream';
import { InboxObserver, MessageObserver, ObservabilityModule } from '@slipstream/observability';
import { OutboxBacklog } from '@slipstream/outbox';
import {
  isDatabaseAway,
  isDatabaseUnavailable,
  postgresModule,
  type PostgresOptions,
} from '@slipstream/postgres';
import { DataSource } from 'typeorm';
import { inboxRetentionMs, type ServiceEnvironment } from './environment.js';
import { eventCodec } from './event-codec.js';

export interface ServiceOptions extends Pick<PostgresOptions, 'schema' | 'migrations'> {
  /** Name of the service, such as `payment-service`. */
  readonly name: string;
  readonly config: ServiceEnvironment;
  /** Events it publishes, and no other. */
  readonly publishes: readonly EventContract[];
  /** True when HTTP accepts work while the broker is away: then it stays ready, and its readiness says `degraded`. */
  readonly acceptsWithoutBroker?: boolean;
}

/** What every service is made of: logs and metrics, its database schema, the transport, the inbox, health. */
@Global()
@Module({})
export class ServiceModule implements OnModuleInit {
  constructor(
    private readonly observer: MessageObserver,
    private readonly server: JetStreamServer,
  ) {}

  static forRoot({
    name,
    config,
    schema,
    migrations,
    publishes,
    acceptsWithoutBroker = false,
  }: ServiceOptions): DynamicModule {
    return {
      module: ServiceModule,
      imports: [
        ObservabilityModule.forRoot({ service: name }),
        postgresModule({
          url: config.DATABASE_URL,
          schema,
          migrations: [...new Set([...inboxMigrations, ...migrations])],
          poolSize: config.DATABASE_POOL_SIZE,
        }),
        transport(name, config),
        inbox(config),
        health(acceptsWithoutBroker),
      ],
      providers: [
        { provide: ERROR_TRANSLATION, useValue: translateDatabaseError },
        {
          provide: EventEncoder,
          useValue: new EventEncoder({ source: name, publishes, contentType: config.EVENT_CONTENT_TYPE }),
        },
      ],
      exports: [EventEncoder],
    };
  }

  onModuleInit(): void {
    this.observer.reportPositions(() => this.server.positions());
  }
}

/** 503 instead of 500 while the database cannot do it: the request was not wrong and may be repeated. */
function translateDatabaseError(error: unknown): unknown {
  if (!isDatabaseUnavailable(error)) return error;
  return new ProblemException(503, {
    detail: 'the database is not available',
    cause: error,
    headers: { 'Retry-After': '1' },
  });
}

function transport(service: string, config: ServiceEnvironment): DynamicModule {
  return JetStreamModule.forRootAsync({
    inject: [MessageObserver],
    useFactory: (observer: MessageObserver) => ({
      service,
      version: config.SERVICE_VERSION,
      connection: { servers: config.NATS_URL.split(',') },
      streams,
      replicas: config.STREAM_REPLICAS,
      limits: { maxAgeMs: config.STREAM_MAX_AGE, maxBytes: config.STREAM_MAX_BYTES },
      topology: config.JETSTREAM_TOPOLOGY,
      codec: eventCodec,
      observer,
      isOutage: isDatabaseAway,
    }),
  });
}

function inbox(config: ServiceEnvironment): DynamicModule {
  return IdempotencyModule.forRootAsync({
    repository: PostgresInbox,
    inject: [DataSource, InboxObserver],
    useFactory: (dataSource: DataSource, observer: InboxObserver) =>
      new PostgresInbox(dataSource, { retentionMs: inboxRetentionMs(config), observer }),
  });
}

function health(acceptsWithoutBroker: boolean): DynamicModule {
  const forBroker = acceptsWithoutBroker ? degradable : (check: HealthCheck) => check;
  return HealthModule.forRootAsync({
    inject: [DataSource, JetStreamConnection, JetStreamServer, { token: OutboxBacklog, optional: true }],
    // Migrations and streams are done before HTTP listens, so what serves has started.
    useFactory: (
      dataSource: DataSource,
      connection: JetStreamConnection,
      server: JetStreamServer,
      backlog?: OutboxBacklog,
    ) => ({
      startup: [databaseCheck(dataSource)],
      readiness: [
        databaseCheck(dataSource),
        forBroker(connectionCheck('nats', () => connection.check())),
        forBroker(consumersCheck(() => server.liveness())),
        ...(backlog ? [outboxCheck(() => backlog.report())] : []),
      ],
    }),
  });
}
