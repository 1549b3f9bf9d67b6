import { Module, type DynamicModule } from '@nestjs/common';
import { outboxMigrations } from '@slipstream/outbox';
import { outboxModule, ServiceModule } from '@slipstream/service';
import { CONFIG, type Config } from './config.js';
import { declaration } from './declaration.js';
import { DeclinedRefundsService } from './declined-refunds.service.js';
import { BREAK_DURATIONS, DEFAULT_BREAK_DURATIONS, GatewayGuard } from './gateway-guard.js';
import { GatewayOutageService } from './gateway-outage.service.js';
import { CreatePayments1763700000002 } from './migrations/create-payments.js';
import { IndexDeclinedRefunds1763900000001 } from './migrations/index-declined-refunds.js';
import { ReshapePayments1763700000003 } from './migrations/reshape-payments.js';
import { PaymentGateway } from './payment-gateway.js';
import { PaymentsRepository } from './payments.repository.js';
import { PaymentsService } from './payments.service.js';
import { SimulatorGateway } from './simulator.gateway.js';
import { StalledPaymentsService } from './stalled-payments.service.js';
import { StripeGateway } from './stripe.gateway.js';

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
          migrations: [
            ...outboxMigrations,
            CreatePayments1763700000002,
            ReshapePayments1763700000003,
            IndexDeclinedRefunds1763900000001,
          ],
        }),
        outboxModule(config),
      ],
      controllers: [...declaration.controllers],
      providers: [
        { provide: CONFIG, useValue: config },
        PaymentsService,
        PaymentsRepository,
        StalledPaymentsService,
        DeclinedRefundsService,
        GatewayGuard,
        GatewayOutageService,
        { provide: BREAK_DURATIONS, useValue: DEFAULT_BREAK_DURATIONS },
        { provide: PaymentGateway, useFactory: () => createGateway(config) },
      ],
    };
  }
}

function createGateway(config: Config): PaymentGateway {
  if (config.PAYMENT_GATEWAY === 'simulator') return new SimulatorGateway(config.PAYMENT_GATEWAY_URL);
  return new StripeGateway({
    apiKey: config.STRIPE_API_KEY ?? '',
    apiBase: config.STRIPE_API_BASE,
    paymentMethod: config.STRIPE_PAYMENT_METHOD,
  });
}
