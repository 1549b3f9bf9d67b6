export {
  databaseEnvironment,
  orderEnvironment,
  serviceEnvironment,
  streamEnvironment,
  type ServiceEnvironment,
} from './environment.js';
export { type DeclaredService } from './declared-service.js';
export { serviceMigrations } from './migrations.js';
export { describeMessages, type MessagingService } from './asyncapi.js';
export { eventCodec } from './event-codec.js';
export { ServiceModule, type ServiceOptions } from './service.module.js';
export { outboxModule } from './outbox.js';
export { inboxLedger, type Ledger, type LedgerDeclaration, type LedgerMessage } from './ledger.js';
