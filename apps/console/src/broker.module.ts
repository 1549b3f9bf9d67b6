import { Global, Module, type DynamicModule, type FactoryProvider } from '@nestjs/common';
import { JetStreamConnection, natsCredentials } from '@slipstream/jetstream';
import { DeadLetters, Inventory, Redrives, Replays } from '@slipstream/operations';
import type { NatsConnection } from '@nats-io/transport-node';
import { declaration } from './declaration.js';
import type { Config } from './config.js';

/** The connection to NATS, and what can be asked and done through it. */
@Global()
@Module({})
export class BrokerModule {
  static register(config: Config): DynamicModule {
    const connection: FactoryProvider<JetStreamConnection> = {
      provide: JetStreamConnection,
      useFactory: () =>
        JetStreamConnection.open(
          {
            name: declaration.name,
            servers: config.NATS_URL.split(','),
            inboxPrefix: config.NATS_INBOX_PREFIX ?? `_INBOX_${declaration.name}`,
          },
          config.STREAM_REPLICAS,
          natsCredentials(config),
        ),
    };
    const operations = [Inventory, DeadLetters, Redrives, Replays].map(over);
    return {
      module: BrokerModule,
      providers: [connection, ...operations],
      exports: [JetStreamConnection, Inventory, DeadLetters, Redrives, Replays],
    };
  }
}

function over(type: new (nc: NatsConnection) => object): FactoryProvider {
  return {
    provide: type,
    inject: [JetStreamConnection],
    useFactory: ({ nc }: JetStreamConnection) => new type(nc),
  };
}
