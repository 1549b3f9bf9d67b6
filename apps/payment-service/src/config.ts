import { parseEnvironment } from '@slipstream/bootstrap';
import { serviceEnvironment } from '@slipstream/service';
import { z } from 'zod';

const schema = serviceEnvironment.extend({
  PORT: z.coerce.number().int().min(0).max(65_535).default(3002),
  PAYMENT_GATEWAY_URL: z.url().default('http://localhost:3010'),
});

export type Config = z.infer<typeof schema>;

export function loadConfig(): Config {
  return parseEnvironment(schema);
}
