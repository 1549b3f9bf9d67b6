import type { ApiDescription } from '@slipstream/bootstrap';
import type { ServiceDeclaration } from '@slipstream/jetstream';
import type { LedgerDeclaration } from './ledger.js';
import type { ServiceOptions } from './service.module.js';

/** What a service of the order system says of itself in code: for its module, and for tools that do not run it. */
export interface DeclaredService
  extends
    Omit<ServiceDeclaration, 'publishes'>,
    LedgerDeclaration,
    Pick<ServiceOptions, 'schema' | 'migrations' | 'publishes'> {
  /** What its HTTP API is called. */
  readonly api: ApiDescription;
}
