import { Module, type DynamicModule } from '@nestjs/common';
import { HealthModule } from '@slipstream/health';
import { ObservabilityModule } from '@slipstream/observability';
import { CONFIG, type Config } from './config.js';
import { ProducerController } from './producer.controller.js';
import { ProducerService } from './producer.service.js';

@Module({})
export class AppModule {
  static register(config: Config): DynamicModule {
    return {
      module: AppModule,
      imports: [
        ObservabilityModule.forRoot({ service: 'order-producer' }),
        // Ready without the order-service: what it cannot send, it counts.
        HealthModule.forRootAsync({ useFactory: () => ({ startup: [], readiness: [] }) }),
      ],
      controllers: [ProducerController],
      providers: [{ provide: CONFIG, useValue: config }, ProducerService],
    };
  }
}
