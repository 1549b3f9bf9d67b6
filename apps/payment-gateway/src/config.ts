import { z } from 'zod';

export const configSchema = z.object({
  /** TCP port of the HTTP server. */
  PORT: z.coerce.number().int().min(0).max(65_535).default(3010),
  /** File that charges and refunds are appended to; made if missing. */
  GATEWAY_DATA_FILE: z.string().default('.data/payment-gateway/ledger.ndjson'),
});

export type Config = z.output<typeof configSchema>;
