import { Module, type DynamicModule, type FactoryProvider, type Type } from '@nestjs/common';
import { DiscoveryModule, DiscoveryService } from '@nestjs/core';
import { IdempotentHandlers } from './declarative/idempotent-handlers.js';
import type { Inbox } from './inbox.js';
import { INBOX } from './inbox.token.js';
import { InboxMaintenance } from './postgres/inbox-maintenance.js';

export interface IdempotencyAsyncOptions<Repository, Dependencies extends unknown[]> {
  /** Class of the inbox; it can be injected by it. */
  readonly repository: Type<Repository>;
  readonly inject?: FactoryProvider['inject'];
  readonly useFactory: (...dependencies: Dependencies) => Repository | Promise<Repository>;
}

/** Provides the inbox of an application, and keeps it in order. Import it once, in the root module. */
@Module({})
export class IdempotencyModule {
  static forRootAsync<Repository extends Inbox<unknown>, Dependencies extends unknown[]>({
    repository,
    inject = [],
    useFactory,
  }: IdempotencyAsyncOptions<Repository, Dependencies>): DynamicModule {
    return {
      module: IdempotencyModule,
      global: true,
      imports: [DiscoveryModule],
      providers: [
        { provide: repository, inject, useFactory },
        { provide: INBOX, useExisting: repository },
        {
          provide: InboxMaintenance,
          inject: [INBOX],
          useFactory: (inbox: Inbox<unknown>) => new InboxMaintenance(inbox),
        },
        {
          provide: IdempotentHandlers,
          inject: [DiscoveryService, INBOX],
          useFactory: (discovery: DiscoveryService, inbox: Inbox<unknown>) =>
            new IdempotentHandlers(discovery, inbox),
        },
      ],
      exports: [repository, INBOX],
    };
  }
}
