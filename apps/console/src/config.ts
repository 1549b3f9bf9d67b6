import { parseEnvironment, type Environment } from '@slipstream/bootstrap';
import { natsEnvironment } from '@slipstream/jetstream';
import { databaseEnvironment, streamEnvironment } from '@slipstream/service';
import { z } from 'zod';
import {
  SERVICE_URL_VARIABLES,
  SERVICE_URLS,
  usualUrlOf,
  type ServiceUrlVariable,
} from '../../service-urls.js';

const LOOPBACK = /^(127(\.\d{1,3}){3}|::1|localhost)$/;
const SHORTEST_TOKEN = 16;

const baseUrl = z.url({ protocol: /^https?$/ }).transform((url) => url.replace(/\/+$/, ''));

const serviceUrl = (variable: ServiceUrlVariable) =>
  baseUrl.default(usualUrlOf(variable)).describe(`URL of ${SERVICE_URLS[variable].service}.`);

const serviceUrls = Object.fromEntries(
  SERVICE_URL_VARIABLES.map((variable) => [variable, serviceUrl(variable)]),
) as Record<ServiceUrlVariable, ReturnType<typeof serviceUrl>>;

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
  ...serviceUrls,
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
