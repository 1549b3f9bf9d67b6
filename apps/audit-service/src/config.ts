import { parseEnvironment } from '@slipstream/bootstrap';
import { serviceEnvironment } from '@slipstream/service';
import { z } from 'zod';

const schema = serviceEnvironment.extend({
  PORT: z.coerce.number().int().min(0).max(65_535).default(3004),
});

export type Config = z.infer<typeof schema>;

export function loadConfig(): Config {
  return parseEnvironment(schema);
}
