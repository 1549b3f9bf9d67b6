import { Module, type DynamicModule } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { ERROR_TRANSLATION } from '@slipstream/bootstrap';
import { connectionCheck, degradable, HealthModule } from '@slipstream/health';
import { JetStreamConnection } from '@slipstream/jetstream';
import { ObservabilityModule } from '@slipstream/observability';
import { AccessGuard } from './access.guard.js';
import { BrokerModule } from './broker.module.js';
import { ChecksController } from './checks.controller.js';
import { CONFIG, type Config } from './config.js';
import { DeadLettersController } from './dead-letters.controller.js';
import { declaration } from './declaration.js';
import { OverviewController } from './overview.controller.js';
import { toOperationProblem } from './operation-problem.js';
import { ReplaysController } from './replays.controller.js';
import { Samples } from './samples.js';
import { TraceController } from './trace.controller.js';

@Module({})
export class AppModule {
  static register(config: Config): DynamicModule {
    return {
      module: AppModule,
      imports: [
        ObservabilityModule.forRoot({ service: declaration.name }),
        BrokerModule.register(config),
        HealthModule.forRootAsync({
          inject: [JetStreamConnection],
          // Ready without NATS: who is on call must be told that it is away.
          useFactory: (connection: JetStreamConnection) => ({
            startup: [],
            readiness: [degradable(connectionCheck('nats', () => connection.check()))],
          }),
        }),
      ],
      controllers: [
        OverviewController,
        DeadLettersController,
        ReplaysController,
        TraceController,
        ChecksController,
      ],
      providers: [
        { provide: CONFIG, useValue: config },
        { provide: APP_GUARD, useClass: AccessGuard },
        { provide: ERROR_TRANSLATION, useValue: toOperationProblem },
        Samples,
      ],
    };
  }
}
