import { Module, type DynamicModule, type FactoryProvider, type ModuleMetadata } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import type { HealthChecks } from './health-check.js';
import { HEALTH_CHECKS, HealthProbes } from './health-probes.js';
import { HealthController } from './health.controller.js';

export interface HealthModuleAsyncOptions<Dependencies extends unknown[] = unknown[]> {
  readonly imports?: ModuleMetadata['imports'];
  readonly inject?: FactoryProvider['inject'];
  /** Makes the checks from what `inject` names. */
  readonly useFactory: (...dependencies: Dependencies) => HealthChecks | Promise<HealthChecks>;
}

/** Serves `GET /health/live`, `/health/ready` and `/health/startup`. */
@Module({})
export class HealthModule {
  static forRootAsync<Dependencies extends unknown[]>(
    options: HealthModuleAsyncOptions<Dependencies>,
  ): DynamicModule {
    return {
      module: HealthModule,
      // The logger of terminus writes a line for every failed probe; HealthProbes writes one for every change.
      imports: [TerminusModule.forRoot({ logger: false }), ...(options.imports ?? [])],
      controllers: [HealthController],
      providers: [
        HealthProbes,
        { provide: HEALTH_CHECKS, inject: options.inject ?? [], useFactory: options.useFactory },
      ],
    };
  }
}
