import { Module, type DynamicModule } from '@nestjs/common';
import { JetStreamServer } from '@slipstream/jetstream';
import { outboxMigrations } from '@slipstream/outbox';
import { outboxModule, ServiceModule } from '@slipstream/service';
import { CONFIG, type Config } from './config.js';
import { CONSUMER_POSITIONS, HousekeepingService } from './housekeeping.service.js';
import { IdempotencyKeysRepository } from './idempotency-keys.repository.js';
import { IntakeController } from './intake.controller.js';
import { CreateOrders1763700000002 } from './migrations/create-orders.js';
import { DeriveOrderStatus1763700000010 } from './migrations/derive-order-status.js';
import { OrdersController } from './orders.controller.js';
import { OrdersRepository } from './orders.repository.js';
import { OrdersService } from './orders.service.js';
import { SagaService } from './saga.service.js';
import { SettlementController } from './settlement.controller.js';

@Module({})
export class AppModule {
  static register(config: Config): DynamicModule {
    return {
      module: AppModule,
      imports: [
        ServiceModule.forRoot({
          name: 'order-service',
          config,
          schema: 'orders',
          acceptsWithoutBroker: true,
          migrations: [...outboxMigrations, CreateOrders1763700000002, DeriveOrderStatus1763700000010],
        }),
        outboxModule(config),
      ],
      controllers: [OrdersController, IntakeController, SettlementController],
      providers: [
        { provide: CONFIG, useValue: config },
        {
          provide: CONSUMER_POSITIONS,
          inject: [JetStreamServer],
          useFactory: (server: JetStreamServer) => () => server.positions(),
        },
        OrdersService,
        SagaService,
        HousekeepingService,
        OrdersRepository,
        IdempotencyKeysRepository,
      ],
    };
  }
}
