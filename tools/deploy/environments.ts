import { natsEnvironment } from '@slipstream/jetstream';
import { databaseEnvironment, streamEnvironment } from '@slipstream/service';
import { configSchema as audit } from '../../apps/audit-service/src/config.js';
import { configSchema as operations } from '../../apps/console/src/config.js';
import { configSchema as inventory } from '../../apps/inventory-service/src/config.js';
import { configSchema as producer } from '../../apps/order-producer/src/config.js';
import { configSchema as orders } from '../../apps/order-service/src/config.js';
import { configSchema as gateway } from '../../apps/payment-gateway/src/config.js';
import { configSchema as payments } from '../../apps/payment-service/src/config.js';
import { SERVICE_URL_VARIABLES } from '../../apps/service-urls.js';

/** Variables that Node.js and the logger read, whatever the app. */
const COMMON = /^(HOST|NODE_ENV|NODE_OPTIONS|LOG_LEVEL|LOG_PRETTY)$/;
/** Of OpenTelemetry; the command line sends no traces. */
const TRACING = /^OTEL_[A-Z_]+$/;

/** Of those who compare streams with what all services declare: with `s3` there are no buckets. */
const DECLARED = ['AUDIT_STORE'];

const commandLine = [
  ...DECLARED,
  ...SERVICE_URL_VARIABLES,
  'SERVICE_VERSION',
  ...Object.keys({ ...natsEnvironment.shape, ...streamEnvironment.shape, ...databaseEnvironment.shape }),
];

const KNOWN: Readonly<Record<string, ReadonlySet<string>>> = {
  'order-service': new Set(Object.keys(orders.shape)),
  'payment-service': new Set(Object.keys(payments.shape)),
  'inventory-service': new Set(Object.keys(inventory.shape)),
  'audit-service': new Set(Object.keys(audit.shape)),
  'order-producer': new Set(Object.keys(producer.shape)),
  'payment-gateway': new Set(Object.keys(gateway.shape)),
  console: new Set([...DECLARED, ...Object.keys(operations.shape)]),
  cli: new Set(commandLine),
};

/** The app that an image of ours holds; undefined for images of others. */
export function appOfImage(image: string): string | undefined {
  const app = /(?:^|\/)slipstream\/([a-z-]+)(?=[:@]|$)/.exec(image)?.[1];
  return app !== undefined && app in KNOWN ? app : undefined;
}

/** Services that an app would look for on its own machine, although it is told where others are. */
export function findForgottenUrls(app: string, variables: readonly string[]): string[] {
  const asked = SERVICE_URL_VARIABLES.filter((variable) => KNOWN[app]?.has(variable));
  const isGiven = (variable: string) =>
    variables.some((name) => [variable, `${variable}_FILE`].includes(name));
  const forgotten = asked.filter((variable) => !isGiven(variable));
  return forgotten.length === asked.length ? [] : forgotten;
}

/** Any variable may be given by a file: `<NAME>_FILE`. */
export function isKnownVariable(app: string, variable: string): boolean {
  const isKnown = (name: string) => KNOWN[app]?.has(name) ?? false;
  if (COMMON.test(variable) || (TRACING.test(variable) && app !== 'cli')) return true;
  return isKnown(variable) || isKnown(variable.replace(/_FILE$/, ''));
}
