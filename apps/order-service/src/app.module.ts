import { Module, type DynamicModule } from '@nestjs/common';
import { JetStreamServer } from '@slipstream/jetstream';
import { outboxMigrations } from '@slipstream/outbox';
import { outboxModule, ServiceModule } from '@slipstream/service';
import { CONFIG, type Config } from './config.js';
import { CreatedEvents } from './created-events.js';
import { declaration } from './declaration.js';
import { CONSUMER_POSITIONS, HousekeepingService } from './housekeeping.service.js';
import { IdempotencyKeysRepository } from './idempotency-keys.repository.js';
import { CreateOrders1763700000002 } from './migrations/create-orders.js';
import { DeriveOrderStatus1763700000010 } from './migrations/derive-order-status.js';
import { OrdersController } from './orders.controller.js';
import { OrdersRepository } from './orders.repository.js';
import { OrdersService } from './orders.service.js';
import { SagaService } from './saga.service.js';

@Module({})
export class AppModule {
  static register(config: Config): DynamicModule {
    return {
      module: AppModule,
      imports: [
        ServiceModule.forRoot({
          name: declaration.name,
          config,
          schema: declaration.schema,
          publishes: declaration.publishes,
          acceptsWithoutBroker: true,
          migrations: [...outboxMigrations, CreateOrders1763700000002, DeriveOrderStatus1763700000010],
        }),
        outboxModule(config),
      ],
      controllers: [...declaration.controllers, OrdersController],
      providers: [
        { provide: CONFIG, useValue: config },
        {
          provide: CONSUMER_POSITIONS,
          inject: [JetStreamServer],
          useFactory: (server: JetStreamServer) => () => server.positions(),
        },
        OrdersService,
        CreatedEvents,
        SagaService,
        HousekeepingService,
        OrdersRepository,
        IdempotencyKeysRepository,
      ],
    };
  }
}
