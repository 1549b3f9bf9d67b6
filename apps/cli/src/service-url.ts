import { usualUrlOf, type ServiceUrlVariable } from '../../service-urls.js';

/** Where a service is by the environment, else on this machine. */
export function serviceUrl(variable: ServiceUrlVariable): string {
  return process.env[variable] || usualUrlOf(variable);
}
