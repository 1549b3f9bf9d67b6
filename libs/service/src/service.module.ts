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
  startedCheck,
  type HealthCheck,
} from '@slipstream/health';
import { IdempotencyModule, PostgresInbox } from '@slipstream/idempotency';
import {
  JetStreamConnection,
  JetStreamModule,
  JetStreamServer,
  natsCredentials,
  type ServiceDeclaration,
} from '@slipstream/jetstream';
import { InboxObserver, MessageObserver, ObservabilityModule, Tracing } from '@slipstream/observability';
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
import { serviceMigrations } from './migrations.js';

type Declared = 'name' | 'overseesStreams';

export interface ServiceOptions
  extends Pick<PostgresOptions, 'schema' | 'migrations'>, Pick<ServiceDeclaration, Declared> {
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
    private readonly connection: JetStreamConnection,
  ) {}

  static forRoot(options: ServiceOptions): DynamicModule {
    const { name, config, schema, migrations, publishes, acceptsWithoutBroker = false } = options;
    return {
      module: ServiceModule,
      imports: [
        ObservabilityModule.forRoot({ service: name }),
        postgresModule({
          url: config.DATABASE_URL,
          schema,
          migrations: serviceMigrations(migrations),
          atStart: config.DATABASE_MIGRATIONS,
          poolSize: config.DATABASE_POOL_SIZE,
        }),
        transport(options),
        inbox(config),
        health(acceptsWithoutBroker, config),
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
    this.observer.watch({
      survey: () => this.server.survey(),
      liveness: () => this.server.liveness(),
      isConnected: () => this.connection.isConnected,
    });
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

function transport({ name: service, config, publishes, overseesStreams }: ServiceOptions): DynamicModule {
  return JetStreamModule.forRootAsync({
    inject: [MessageObserver, Tracing],
    useFactory: (observer: MessageObserver, tracing: Tracing) => ({
      service,
      version: config.SERVICE_VERSION,
      connection: {
        servers: config.NATS_URL.split(','),
        // A subject of its own, so that nobody who may read answers of theirs reads ours.
        inboxPrefix: config.NATS_INBOX_PREFIX ?? `_INBOX_${service}`,
      },
      credentials: natsCredentials(config),
      streams,
      replicas: config.STREAM_REPLICAS,
      limits: { maxAgeMs: config.STREAM_MAX_AGE, maxBytes: config.STREAM_MAX_BYTES },
      topology: config.JETSTREAM_TOPOLOGY,
      publishes: publishes.map(({ subject }) => subject),
      ...(overseesStreams ? { sweepsAdvisories: true } : {}),
      codec: eventCodec,
      observer,
      tracing: tracing.isOn,
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

function health(acceptsWithoutBroker: boolean, config: ServiceEnvironment): DynamicModule {
  const forBroker = acceptsWithoutBroker ? degradable : (check: HealthCheck) => check;
  return HealthModule.forRootAsync({
    inject: [DataSource, JetStreamConnection, JetStreamServer, { token: OutboxBacklog, optional: true }],
    useFactory: (
      dataSource: DataSource,
      connection: JetStreamConnection,
      server: JetStreamServer,
      backlog?: OutboxBacklog,
    ) => ({
      startup: [
        startedCheck('migrations', async () => {
          if (await dataSource.showMigrations()) throw new Error('not all migrations have run');
        }),
        startedCheck('topology', async () => {
          if (!server.isStarted) throw new Error('not all streams and consumers are there');
          return { consumers: server.liveness().map(({ stream, consumer }) => `${stream}/${consumer}`) };
        }),
      ],
      readiness: [
        databaseCheck(dataSource),
        forBroker(connectionCheck('nats', () => connection.check())),
        forBroker(consumersCheck(() => server.liveness(), config.CONSUMER_LAG_LIMIT)),
        ...(backlog ? [outboxCheck(() => backlog.report())] : []),
      ],
    }),
  });
}
