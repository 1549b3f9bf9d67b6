import { Module, type DynamicModule } from '@nestjs/common';
import { JetStreamServer } from '@slipstream/jetstream';
import { outboxModule, ServiceModule } from '@slipstream/service';
import { CancellationsFirst } from './cancellations-first.js';
import { CONFIG, type Config } from './config.js';
import { CreatedEvents } from './created-events.js';
import { declaration } from './declaration.js';
import { HousekeepingService } from './housekeeping.service.js';
import { IdempotencyKeysRepository } from './idempotency-keys.repository.js';
import { OrderEndings } from './order-endings.js';
import { OrderMetrics } from './order-metrics.js';
import { OrdersController } from './orders.controller.js';
import { OrdersRepository } from './orders.repository.js';
import { OrdersService } from './orders.service.js';
import { SagaService } from './saga.service.js';
import { SURVEY } from './survey.js';

@Module({})
export class AppModule {
  static register(config: Config): DynamicModule {
    return {
      module: AppModule,
      imports: [
        ServiceModule.forRoot({
          ...declaration,
          config,
          acceptsWithoutBroker: true,
        }),
        outboxModule(config),
      ],
      controllers: [...declaration.controllers, OrdersController],
      providers: [
        { provide: CONFIG, useValue: config },
        {
          provide: SURVEY,
          inject: [JetStreamServer],
          useFactory: (server: JetStreamServer) => () => server.survey(),
        },
        OrdersService,
        CreatedEvents,
        SagaService,
        CancellationsFirst,
        OrderEndings,
        OrderMetrics,
        HousekeepingService,
        OrdersRepository,
        IdempotencyKeysRepository,
      ],
    };
  }
}
