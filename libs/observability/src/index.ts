export { createLog, type LogEnvironment } from './log.js';
export { InboxObserver } from './inbox.observer.js';
export { MessageObserver } from './message.observer.js';
export { ObservabilityModule, type ObservabilityOptions } from './observability.module.js';
export { type TransportProbe } from './server-metrics.js';
export { startTracing, Tracing } from './tracing/tracing.js';
export { OutboxMetrics, outboxMetrics } from './outbox-metrics.js';
