export {
  connectionCheck,
  consumersCheck,
  databaseCheck,
  degradable,
  outboxCheck,
  startedCheck,
} from './checks.js';
export { Degraded, type HealthCheck, type HealthChecks } from './health-check.js';
export { HealthModule, type HealthModuleAsyncOptions } from './health.module.js';
