import { parseEnvironment, type Environment } from '@slipstream/bootstrap';
import { natsEnvironment } from '@slipstream/jetstream';
import { databaseEnvironment, streamEnvironment } from '@slipstream/service';
import { z } from 'zod';

const LOOPBACK = /^(127(\.\d{1,3}){3}|::1|localhost)$/;
const SHORTEST_TOKEN = 16;

const baseUrl = z.url({ protocol: /^https?$/ }).transform((url) => url.replace(/\/+$/, ''));

const shape = z.object({
  PORT: z.coerce.number().int().min(0).max(65_535).default(3000).describe('TCP port of the HTTP server.'),
  CONSOLE_TOKEN: z
    .string()
    .min(SHORTEST_TOKEN)
    .regex(/^[\x21-\x7e]+$/, 'must be printable characters without spaces')
    .optional()
    .describe(
      'Secret of 16 characters or more that requests must prove themselves with. Needed unless `HOST` is a loopback address.',
    ),
  HOST: z.string().default('127.0.0.1').describe('Address to listen on.'),
  NATS_MONITOR_URL: baseUrl
    .default('http://localhost:8222')
    .describe('URL of the HTTP monitoring of a NATS server.'),
  ORDER_SERVICE_URL: baseUrl.default('http://localhost:3001').describe('URL of order-service.'),
  PAYMENT_SERVICE_URL: baseUrl.default('http://localhost:3002').describe('URL of payment-service.'),
  INVENTORY_SERVICE_URL: baseUrl.default('http://localhost:3003').describe('URL of inventory-service.'),
  AUDIT_SERVICE_URL: baseUrl.default('http://localhost:3004').describe('URL of audit-service.'),
  DATABASE_URL: databaseEnvironment.shape.DATABASE_URL.unwrap()
    .optional()
    .describe(
      'URL of the database of the services, for what `doctor` says of its durability. Not asked when unset.',
    ),
  ...natsEnvironment.shape,
  ...streamEnvironment.shape,
});

export const configSchema = shape.refine(
  ({ HOST, CONSOLE_TOKEN }) => CONSOLE_TOKEN !== undefined || LOOPBACK.test(HOST),
  {
    path: ['CONSOLE_TOKEN'],
    message: `is needed where HOST is not a loopback address: whoever reaches the console may discard messages`,
  },
);

export type Config = z.output<typeof configSchema>;

export const CONFIG = Symbol('CONFIG');

/** Prints what is wrong with the environment and ends the process when it is not valid. */
export function loadConfig(environment?: Environment): Config {
  return parseEnvironment(configSchema, environment);
}
