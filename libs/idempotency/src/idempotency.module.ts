import { Module, type DynamicModule, type FactoryProvider, type Type } from '@nestjs/common';
import type { Inbox } from './inbox.js';
import { InboxMaintenance } from './postgres/inbox-maintenance.js';

/** Injection token of the inbox of an application, whichever it is. */
export const INBOX = Symbol('Inbox');

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
      providers: [
        { provide: repository, inject, useFactory },
        { provide: INBOX, useExisting: repository },
        {
          provide: InboxMaintenance,
          inject: [INBOX],
          useFactory: (inbox: Inbox<unknown>) => new InboxMaintenance(inbox),
        },
      ],
      exports: [repository, INBOX],
    };
  }
}
