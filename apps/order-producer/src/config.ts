import { z } from 'zod';

/** Most orders per second that can be asked for. */
export const MAX_RATE = 100_000;

export const configSchema = z.object({
  PORT: z.coerce.number().int().min(0).max(65_535).default(3005).describe('TCP port of the HTTP server.'),
  ORDER_SERVICE_URL: z
    .url({ protocol: /^https?$/ })
    .default('http://localhost:3001')
    .describe('URL of order-service.'),
  ORDER_RATE: z.coerce
    .number()
    .min(0)
    .max(MAX_RATE)
    .default(1)
    .describe('Orders per second at the start; 0 creates none.'),
});

export type Config = z.output<typeof configSchema>;

export const CONFIG = Symbol('CONFIG');
