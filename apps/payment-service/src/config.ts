import { parseEnvironment } from '@slipstream/bootstrap';
import { orderEnvironment, serviceEnvironment } from '@slipstream/service';
import { z } from 'zod';

export const configSchema = serviceEnvironment.extend({
  ...orderEnvironment.shape,
  PORT: z.coerce.number().int().min(0).max(65_535).default(3002).describe('TCP port of the HTTP server.'),
  PAYMENT_GATEWAY: z
    .enum(['simulator', 'stripe'])
    .default('simulator')
    .describe('Provider that moves the money.'),
  PAYMENT_GATEWAY_URL: z
    .url()
    .default('http://localhost:3010')
    .describe('URL of payment-gateway, the simulator.'),
  STRIPE_API_KEY: z
    .string()
    .optional()
    .describe('Secret key of the Stripe account. Needed with `PAYMENT_GATEWAY=stripe`.'),
  STRIPE_API_BASE: z.url().default('https://api.stripe.com').describe("URL of Stripe's API."),
  STRIPE_PAYMENT_METHOD: z
    .string()
    .optional()
    .describe(
      'Payment method that every order is charged to: orders carry none of their own. Needed with `PAYMENT_GATEWAY=stripe`.',
    ),
});

const NEEDED_BY_STRIPE = ['STRIPE_API_KEY', 'STRIPE_PAYMENT_METHOD'] as const;

/** What loads it; `configSchema` is the list of its variables. */
export const checkedSchema = configSchema.superRefine((config, context) => {
  if (config.PAYMENT_GATEWAY !== 'stripe') return;
  for (const name of NEEDED_BY_STRIPE) {
    const message = `is missing, and ${name}_FILE too`;
    if (!config[name]) context.addIssue({ code: 'custom', path: [name], message });
  }
});

export type Config = z.infer<typeof checkedSchema>;

export const CONFIG = Symbol('Config');

export function loadConfig(): Config {
  return parseEnvironment(checkedSchema);
}
