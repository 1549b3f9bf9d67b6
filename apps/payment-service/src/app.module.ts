import { Module, type DynamicModule } from '@nestjs/common';
import { JetStreamPublisher } from '@slipstream/jetstream';
import { OutboxModule, outboxMigrations } from '@slipstream/outbox';
import { ServiceModule } from '@slipstream/service';
import type { Config } from './config.js';
import { CreatePayments1763700000002 } from './migrations/create-payments.js';
import { PaymentGateway } from './payment-gateway.js';
import { PaymentsController } from './payments.controller.js';
import { PaymentsRepository } from './payments.repository.js';
import { PaymentsService } from './payments.service.js';
import { SimulatorGateway } from './simulator.gateway.js';
import { StalledPaymentsService } from './stalled-payments.service.js';

@Module({})
export class AppModule {
  static register(config: Config): DynamicModule {
    return {
      module: AppModule,
      imports: [
        ServiceModule.forRoot({
          name: 'payment-service',
          config,
          schema: 'payments',
          migrations: [...outboxMigrations, CreatePayments1763700000002],
        }),
        OutboxModule.forRootAsync({
          inject: [JetStreamPublisher],
          useFactory: (publisher: JetStreamPublisher) => ({ publisher }),
        }),
      ],
      controllers: [PaymentsController],
      providers: [
        PaymentsService,
        PaymentsRepository,
        StalledPaymentsService,
        { provide: PaymentGateway, useFactory: () => new SimulatorGateway(config.PAYMENT_GATEWAY_URL) },
      ],
    };
  }
}
