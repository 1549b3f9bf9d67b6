import { Module, type DynamicModule } from '@nestjs/common';
import { Ledger } from './ledger.js';

@Module({})
export class LedgerModule {
  /** @param path file of the ledger; made if missing. */
  static forFile(path: string): DynamicModule {
    return {
      module: LedgerModule,
      providers: [{ provide: Ledger, useFactory: () => Ledger.open(path) }],
      exports: [Ledger],
    };
  }
}
