export { OutboxModule, type OutboxAsyncOptions } from './outbox.module.js';
export { Outbox, type OutboxMessage } from './outbox.js';
export { OutboxRelay, type OutboxPublisher } from './outbox.relay.js';
export { CreateOutbox1763700000001 } from './create-outbox.migration.js';
