export { IdempotencyModule } from './idempotency.module.js';
export { IdempotencyRepository, type MessageIdentity } from './idempotency.repository.js';
export { CreateInbox1763700000000 } from './create-inbox.migration.js';
