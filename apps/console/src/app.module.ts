import { Module, type DynamicModule } from '@nestjs/common';
import { ERROR_TRANSLATION } from '@slipstream/bootstrap';
import { connectionCheck, degradable, HealthModule } from '@slipstream/health';
import { JetStreamConnection } from '@slipstream/jetstream';
import { ObservabilityModule } from '@slipstream/observability';
import { AboutController } from './about.controller.js';
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
          // Stays ready when NATS goes away: who is on call must be told so.
          useFactory: (connection: JetStreamConnection) => ({
            startup: [],
            readiness: [degradable(connectionCheck('nats', () => connection.check()))],
          }),
        }),
      ],
      controllers: [
        AboutController,
        OverviewController,
        DeadLettersController,
        ReplaysController,
        TraceController,
        ChecksController,
      ],
      providers: [
        { provide: CONFIG, useValue: config },
        { provide: ERROR_TRANSLATION, useValue: toOperationProblem },
        Samples,
      ],
    };
  }
}
