import { Module, type DynamicModule } from '@nestjs/common';
import { outboxMigrations } from '@slipstream/outbox';
import { outboxModule, ServiceModule } from '@slipstream/service';
import { CONFIG, type Config } from './config.js';
import { declaration } from './declaration.js';
import { CreateStock1763700000002 } from './migrations/create-stock.js';
import { ReservationsService } from './reservations.service.js';
import { StockController } from './stock.controller.js';
import { StockRepository } from './stock.repository.js';

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
          migrations: [...outboxMigrations, CreateStock1763700000002],
        }),
        outboxModule(config),
      ],
      controllers: [...declaration.controllers, StockController],
      providers: [{ provide: CONFIG, useValue: config }, ReservationsService, StockRepository],
    };
  }
}
