export { connectionCheck, consumersCheck, databaseCheck, degradable, outboxCheck } from './checks.js';
export { type HealthCheck, type HealthChecks } from './health-check.js';
export { HealthModule, type HealthModuleAsyncOptions } from './health.module.js';
