export { createLog, type LogEnvironment } from './log.js';
export { type PositionSource } from './consumer-positions.js';
export { InboxObserver } from './inbox.observer.js';
export { MessageObserver } from './message.observer.js';
export { ObservabilityModule, type ObservabilityOptions } from './observability.module.js';
export { OutboxMetrics, outboxMetrics } from './outbox-metrics.js';
