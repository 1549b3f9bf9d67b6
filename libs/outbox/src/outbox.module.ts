import { Module, type DynamicModule, type FactoryProvider } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Outbox } from './outbox.js';
import { OutboxRelay, type OutboxPublisher } from './outbox.relay.js';

const PUBLISHER = Symbol('OutboxPublisher');

export interface OutboxAsyncOptions<Dependencies extends unknown[]> {
  readonly inject: FactoryProvider['inject'];
  readonly useFactory: (...dependencies: Dependencies) => OutboxPublisher;
}

/** Provides `Outbox` and runs its relay on the application's data source. */
@Module({})
export class OutboxModule {
  static forRootAsync<Dependencies extends unknown[]>({
    inject = [],
    useFactory,
  }: OutboxAsyncOptions<Dependencies>): DynamicModule {
    return {
      module: OutboxModule,
      providers: [
        Outbox,
        { provide: PUBLISHER, inject, useFactory },
        {
          provide: OutboxRelay,
          inject: [DataSource, PUBLISHER],
          useFactory: (dataSource: DataSource, publisher: OutboxPublisher) =>
            new OutboxRelay(dataSource, publisher),
        },
      ],
      exports: [Outbox, OutboxRelay],
    };
  }
}
