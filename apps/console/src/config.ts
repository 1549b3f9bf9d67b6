import { parseEnvironment, type Environment } from '@slipstream/bootstrap';
import { natsEnvironment } from '@slipstream/jetstream';
import { databaseEnvironment, streamEnvironment } from '@slipstream/service';
import { z } from 'zod';

const LOOPBACK = /^(127(\.\d{1,3}){3}|::1|localhost)$/;
const SHORTEST_TOKEN = 16;

const baseUrl = z.url({ protocol: /^https?$/ }).transform((url) => url.replace(/\/+$/, ''));

const shape = z.object({
  /** TCP port of the HTTP server. */
  PORT: z.coerce.number().int().min(0).max(65_535).default(3000),
  /** What requests must prove themselves with. Needed wherever others than this machine's users reach it. */
  CONSOLE_TOKEN: z
    .string()
    .min(SHORTEST_TOKEN)
    .regex(/^[\x21-\x7e]+$/, 'must be printable characters without spaces')
    .optional(),
  /** Address to listen on. */
  HOST: z.string().default('127.0.0.1'),
  /** HTTP monitoring of a NATS server. */
  NATS_MONITOR_URL: baseUrl.default('http://localhost:8222'),
  ORDER_SERVICE_URL: baseUrl.default('http://localhost:3001'),
  PAYMENT_SERVICE_URL: baseUrl.default('http://localhost:3002'),
  INVENTORY_SERVICE_URL: baseUrl.default('http://localhost:3003'),
  AUDIT_SERVICE_URL: baseUrl.default('http://localhost:3004'),
  /** Where the services keep what is theirs, for what it says of its durability; not asked when unset. */
  DATABASE_URL: databaseEnvironment.shape.DATABASE_URL.unwrap().optional(),
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
