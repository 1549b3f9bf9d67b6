import { parseEnvironment } from '@slipstream/bootstrap';
import { serviceEnvironment } from '@slipstream/service';
import { z } from 'zod';

export const configSchema = serviceEnvironment.extend({
  PORT: z.coerce.number().int().min(0).max(65_535).default(3003).describe('TCP port of the HTTP server.'),
  DEFAULT_STOCK: z.coerce
    .number()
    .int()
    .min(0)
    .max(1_000_000_000)
    .default(1_000_000)
    .describe('Pieces on hand of a SKU nobody has set, so that a demonstration runs.'),
});

export type Config = z.infer<typeof configSchema>;

export const CONFIG = Symbol('Config');

export function loadConfig(): Config {
  return parseEnvironment(configSchema);
}
