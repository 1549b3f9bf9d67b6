import { parseEnvironment } from '@slipstream/bootstrap';
import { orderEnvironment, serviceEnvironment } from '@slipstream/service';
import { z } from 'zod';

export const configSchema = serviceEnvironment.extend({
  ...orderEnvironment.shape,
  PORT: z.coerce.number().int().min(0).max(65_535).default(3002),
  PAYMENT_GATEWAY: z.enum(['simulator', 'stripe']).default('simulator'),
  /** Of the simulator. */
  PAYMENT_GATEWAY_URL: z.url().default('http://localhost:3010'),
  STRIPE_API_KEY: z.string().optional(),
  STRIPE_API_BASE: z.url().default('https://api.stripe.com'),
  /** What customers pay with: orders carry no payment method of their own. */
  STRIPE_PAYMENT_METHOD: z.string().default('pm_card_visa'),
});

const schema = configSchema.refine(
  ({ PAYMENT_GATEWAY, STRIPE_API_KEY }) => PAYMENT_GATEWAY !== 'stripe' || STRIPE_API_KEY,
  { path: ['STRIPE_API_KEY'], message: 'is missing, and STRIPE_API_KEY_FILE too' },
);

export type Config = z.infer<typeof schema>;

export const CONFIG = Symbol('Config');

export function loadConfig(): Config {
  return parseEnvironment(schema);
}
