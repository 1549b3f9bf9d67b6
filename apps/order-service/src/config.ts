import { parseEnvironment } from '@slipstream/bootstrap';
import { orderEnvironment, serviceEnvironment } from '@slipstream/service';
import { z } from 'zod';

const versionsSchema = z
  .string()
  .regex(/^(v1|v2|v1,v2)$/, 'must be v1, v2 or "v1,v2"')
  .transform((versions) => versions.split(','));

export const configSchema = serviceEnvironment.extend({
  ...orderEnvironment.shape,
  PORT: z.coerce.number().int().min(0).max(65_535).default(3001).describe('TCP port of the HTTP server.'),
  ORDER_CREATED_VERSIONS: versionsSchema
    .default(['v1'])
    .describe('Versions of `orders.created` that are published for each order: `v1`, `v2` or `v1,v2`.'),
  IDEMPOTENCY_KEY_RETENTION: z.coerce
    .number()
    .positive()
    .default(86_400)
    .describe('Seconds for which an `Idempotency-Key` stands for its order.'),
});

export type Config = z.infer<typeof configSchema>;

export const CONFIG = Symbol('Config');

export function loadConfig(): Config {
  return parseEnvironment(configSchema);
}
