import { Module, type DynamicModule } from '@nestjs/common';
import { outboxModule, ServiceModule } from '@slipstream/service';
import { CONFIG, type Config } from './config.js';
import { declaration } from './declaration.js';
import { BREAK_DURATIONS, DEFAULT_BREAK_DURATIONS, GatewayGuard } from './gateway-guard.js';
import { GatewayOutageService } from './gateway-outage.service.js';
import { PaymentGateway } from './payment-gateway.js';
import { PaymentMetrics } from './payment-metrics.js';
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
          ...declaration,
          config,
        }),
        outboxModule(config),
      ],
      controllers: [...declaration.controllers],
      providers: [
        { provide: CONFIG, useValue: config },
        PaymentsService,
        PaymentsRepository,
        StalledPaymentsService,
        PaymentMetrics,
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
    paymentMethod: config.STRIPE_PAYMENT_METHOD ?? '',
  });
}
