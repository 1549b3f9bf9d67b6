import { Module, type DynamicModule } from '@nestjs/common';
import { outboxModule, ServiceModule } from '@slipstream/service';
import { CONFIG, type Config } from './config.js';
import { declaration } from './declaration.js';
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
          ...declaration,
          config,
        }),
        outboxModule(config),
      ],
      controllers: [...declaration.controllers, StockController],
      providers: [{ provide: CONFIG, useValue: config }, ReservationsService, StockRepository],
    };
  }
}
