import { type DynamicModule, type FactoryProvider, type ModuleMetadata, Module } from '@nestjs/common';
import { JetStreamClient } from './client/jetstream.client.js';
import { JetStreamConnection } from './connection.js';
import {
  resolveJetStreamOptions,
  type JetStreamOptions,
  type ResolvedJetStreamOptions,
} from './jetstream.options.js';
import { JetStreamPublisher } from './publish/jetstream.publisher.js';
import { PublishTracing } from './publish/publish-tracing.js';
import { StreamIndex } from './stream-index.js';
import { JetStreamServer } from './server/jetstream.server.js';
import { Topology } from './topology/topology.js';

const OPTIONS = Symbol('JetStreamOptions');

/** Options that are made of other providers, such as configuration. */
export interface JetStreamAsyncOptions<Dependencies extends unknown[]> extends Pick<
  ModuleMetadata,
  'imports'
> {
  /** Providers that `useFactory` is given, in this order. */
  readonly inject?: FactoryProvider['inject'];
  /** Called once, before the connection is opened. */
  readonly useFactory: (...dependencies: Dependencies) => JetStreamOptions | Promise<JetStreamOptions>;
}

/**
 * Provides the connection, `JetStreamPublisher`, `JetStreamClient` and `JetStreamServer`. Streams are ensured as soon as
 * the module is built, unless it only binds; attach the server to the application with `connectJetStream(app)`.
 */
@Module({})
export class JetStreamModule {
  /** Global: import it once, in the root module. */
  static forRoot(options: JetStreamOptions): DynamicModule {
    return JetStreamModule.forRootAsync({ useFactory: () => options });
  }

  /** As `forRoot`, with options that other providers are needed for. */
  static forRootAsync<Dependencies extends unknown[]>(
    async: JetStreamAsyncOptions<Dependencies>,
  ): DynamicModule {
    const options: FactoryProvider<ResolvedJetStreamOptions> = {
      provide: OPTIONS,
      inject: async.inject ?? [],
      useFactory: async (...dependencies: Dependencies) =>
        resolveJetStreamOptions(await async.useFactory(...dependencies)),
    };
    return {
      module: JetStreamModule,
      global: true,
      imports: async.imports ?? [],
      providers: [
        options,
        connectionProvider,
        publisherProvider,
        clientProvider,
        topologyProvider,
        serverProvider,
        streamIndexProvider,
      ],
      exports: [
        JetStreamConnection,
        JetStreamPublisher,
        JetStreamClient,
        JetStreamServer,
        Topology,
        StreamIndex,
      ],
    };
  }
}

const connectionProvider: FactoryProvider<JetStreamConnection> = {
  provide: JetStreamConnection,
  inject: [OPTIONS],
  useFactory: ({ connection, service, replicas, credentials }: ResolvedJetStreamOptions) =>
    JetStreamConnection.open({ name: service, ...connection }, replicas, credentials),
};

const publisherProvider: FactoryProvider<JetStreamPublisher> = {
  provide: JetStreamPublisher,
  inject: [JetStreamConnection, OPTIONS],
  useFactory: (connection: JetStreamConnection, { observer, tracing }: ResolvedJetStreamOptions) =>
    new JetStreamPublisher(connection, observer, tracing ? new PublishTracing() : undefined),
};

const clientProvider: FactoryProvider<JetStreamClient> = {
  provide: JetStreamClient,
  inject: [JetStreamConnection, JetStreamPublisher],
  useFactory: (connection: JetStreamConnection, publisher: JetStreamPublisher) =>
    new JetStreamClient(connection, publisher),
};

const streamIndexProvider: FactoryProvider<StreamIndex> = {
  provide: StreamIndex,
  inject: [JetStreamConnection],
  useFactory: (connection: JetStreamConnection) => new StreamIndex(connection),
};

const topologyProvider: FactoryProvider<Topology> = {
  provide: Topology,
  inject: [JetStreamConnection, OPTIONS],
  // Publishers start with the application, so the streams exist before the first of them runs.
  useFactory: async (connection: JetStreamConnection, options: ResolvedJetStreamOptions) => {
    const topology = new Topology(connection, options);
    try {
      await topology.ensureStreams();
    } catch (error) {
      // Nest runs no shutdown hook of an application that was never built; left open, the connection keeps the process alive.
      await connection.nc.close();
      throw error;
    }
    return topology;
  },
};

const serverProvider: FactoryProvider<JetStreamServer> = {
  provide: JetStreamServer,
  inject: [OPTIONS, JetStreamConnection, JetStreamPublisher, Topology],
  useFactory: (
    options: ResolvedJetStreamOptions,
    connection: JetStreamConnection,
    publisher: JetStreamPublisher,
    topology: Topology,
  ) => new JetStreamServer({ options, connection, publisher, topology }),
};
