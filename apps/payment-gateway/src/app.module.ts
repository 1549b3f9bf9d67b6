import { Module, type DynamicModule } from '@nestjs/common';
import { HealthModule } from '@slipstream/health';
import { ObservabilityModule } from '@slipstream/observability';
import { ChargeLane } from './charge-lane.js';
import { ChargesController } from './charges.controller.js';
import { ChargesService } from './charges.service.js';
import type { Config } from './config.js';
import { FaultsController } from './faults.controller.js';
import { Faults } from './faults.js';
import { LedgerModule } from './ledger.module.js';
import { Ledger } from './ledger.js';
import { StatsController } from './stats.controller.js';

@Module({})
export class AppModule {
  static register(config: Config): DynamicModule {
    const ledgerModule = LedgerModule.forFile(config.GATEWAY_DATA_FILE);
    return {
      module: AppModule,
      imports: [
        ObservabilityModule.forRoot({ service: 'payment-gateway' }),
        HealthModule.forRootAsync({
          imports: [ledgerModule],
          inject: [Ledger],
          useFactory: (ledger: Ledger) => ({
            startup: [],
            readiness: [{ key: 'ledger', check: async () => ledger.assertWritable() }],
          }),
        }),
        ledgerModule,
      ],
      controllers: [ChargesController, FaultsController, StatsController],
      providers: [ChargesService, Faults, ChargeLane],
    };
  }
}
