import type { DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  createApiDocument,
  createHttpAdapter,
  readEnvironment,
  type ApiDescription,
} from '@slipstream/bootstrap';
import { describeMessages, type DeclaredService } from '@slipstream/service';
import { AppModule as AuditModule } from '../../apps/audit-service/src/app.module.js';
import { loadConfig as auditConfig } from '../../apps/audit-service/src/config.js';
import { declaration as auditService } from '../../apps/audit-service/src/declaration.js';
import { AppModule as ConsoleModule } from '../../apps/console/src/app.module.js';
import { configSchema as consoleConfig } from '../../apps/console/src/config.js';
import { declaration as operationsConsole } from '../../apps/console/src/declaration.js';
import { AppModule as InventoryModule } from '../../apps/inventory-service/src/app.module.js';
import { loadConfig as inventoryConfig } from '../../apps/inventory-service/src/config.js';
import { declaration as inventoryService } from '../../apps/inventory-service/src/declaration.js';
import { AppModule as ProducerModule } from '../../apps/order-producer/src/app.module.js';
import { configSchema as producerConfig } from '../../apps/order-producer/src/config.js';
import { declaration as orderProducer } from '../../apps/order-producer/src/declaration.js';
import { AppModule as OrderModule } from '../../apps/order-service/src/app.module.js';
import { loadConfig as orderConfig } from '../../apps/order-service/src/config.js';
import { declaration as orderService } from '../../apps/order-service/src/declaration.js';
import { AppModule as GatewayModule } from '../../apps/payment-gateway/src/app.module.js';
import { configSchema as gatewayConfig } from '../../apps/payment-gateway/src/config.js';
import { declaration as paymentGateway } from '../../apps/payment-gateway/src/declaration.js';
import { AppModule as PaymentModule } from '../../apps/payment-service/src/app.module.js';
import { loadConfig as paymentConfig } from '../../apps/payment-service/src/config.js';
import { declaration as paymentService } from '../../apps/payment-service/src/declaration.js';

interface HttpApp {
  readonly name: string;
  readonly api: ApiDescription;
  readonly module: () => DynamicModule;
}

const withMessages = (service: DeclaredService) => ({
  name: service.name,
  api: { ...service.api, asyncApi: describeMessages([service]) },
});

const apps: readonly HttpApp[] = [
  { ...withMessages(orderService), module: () => OrderModule.register(orderConfig()) },
  { ...withMessages(paymentService), module: () => PaymentModule.register(paymentConfig()) },
  { ...withMessages(inventoryService), module: () => InventoryModule.register(inventoryConfig()) },
  { ...withMessages(auditService), module: () => AuditModule.register(auditConfig()) },
  { ...operationsConsole, module: () => ConsoleModule.register(readEnvironment(consoleConfig, {})) },
  { ...orderProducer, module: () => ProducerModule.register(readEnvironment(producerConfig, {})) },
  { ...paymentGateway, module: () => GatewayModule.register(readEnvironment(gatewayConfig, {})) },
];

/** The OpenAPI document of each app by its name. Nothing is started or connected. */
export async function httpApis(): Promise<[app: string, document: object][]> {
  const documents: [string, object][] = [];
  for (const { name, api, module } of apps) {
    const app = await NestFactory.create(module(), createHttpAdapter(), { preview: true, logger: false });
    documents.push([name, createApiDocument(app, api)]);
  }
  return documents;
}
