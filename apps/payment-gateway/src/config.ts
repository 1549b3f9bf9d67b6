import { z } from 'zod';

export const configSchema = z.object({
  PORT: z.coerce.number().int().min(0).max(65_535).default(3010).describe('TCP port of the HTTP server.'),
  GATEWAY_DATA_FILE: z
    .string()
    .default('.data/payment-gateway/ledger.ndjson')
    .describe('File that charges and refunds are appended to; made if missing.'),
});

export type Config = z.output<typeof configSchema>;
