import type { StreamIndex } from '@slipstream/jetstream';
import { Module, type DynamicModule, type FactoryProvider } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { OutboxPublisher } from './outbox-publishing.js';
import { OutboxRows } from './outbox-rows.js';
import { OutboxBacklog } from './outbox.backlog.js';
import type { OutboxObserver } from './outbox.observer.js';
import { Outbox } from './outbox.js';
import { OutboxReconciler } from './outbox.reconciler.js';
import { OutboxRelay } from './outbox.relay.js';

const OPTIONS = Symbol('OutboxOptions');

export interface OutboxOptions {
  readonly publisher: OutboxPublisher;
  /** Where the reconciler looks for what was published. */
  readonly streams: Pick<StreamIndex, 'search'>;
  readonly observer?: OutboxObserver;
  /** Events that may wait before `OutboxBacklog.assertAccepting` refuses. @default 100_000 */
  readonly maxPending?: number;
  /** Least time that published rows are kept, in milliseconds. @default 7 days */
  readonly retentionMs?: number;
}

export interface OutboxAsyncOptions<Dependencies extends unknown[]> {
  readonly inject: FactoryProvider['inject'];
  readonly useFactory: (...dependencies: Dependencies) => OutboxOptions;
}

/** Provides `Outbox` and `OutboxBacklog`, and runs the relay on the application's data source. */
@Module({})
export class OutboxModule {
  static forRootAsync<Dependencies extends unknown[]>({
    inject = [],
    useFactory,
  }: OutboxAsyncOptions<Dependencies>): DynamicModule {
    return {
      module: OutboxModule,
      // Health checks ask for the backlog where there is one.
      global: true,
      providers: [
        Outbox,
        OutboxRows,
        { provide: OPTIONS, inject, useFactory },
        {
          provide: OutboxRelay,
          inject: [DataSource, OPTIONS, OutboxRows],
          useFactory: (dataSource: DataSource, { publisher, ...options }: OutboxOptions, rows: OutboxRows) =>
            new OutboxRelay(dataSource, publisher, { ...options, rows }),
        },
        {
          provide: OutboxBacklog,
          inject: [DataSource, OPTIONS, Outbox],
          useFactory: (dataSource: DataSource, { maxPending, observer }: OutboxOptions, outbox: Outbox) =>
            new OutboxBacklog(dataSource, outbox, maxPending, observer),
        },
        {
          provide: OutboxReconciler,
          inject: [DataSource, OPTIONS],
          useFactory: (dataSource: DataSource, { publisher, streams, observer }: OutboxOptions) =>
            new OutboxReconciler(dataSource, publisher, streams, observer),
        },
      ],
      exports: [Outbox, OutboxRelay, OutboxBacklog, OutboxReconciler],
    };
  }
}
