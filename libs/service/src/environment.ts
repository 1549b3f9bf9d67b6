import { z } from 'zod';

/** Variables every service reads. */
export const serviceEnvironment = z.object({
  /** Comma-separated NATS servers. */
  NATS_URL: z.string().min(1).default('nats://localhost:4222'),
  DATABASE_URL: z
    .url({ protocol: /^postgres(ql)?$/ })
    .default('postgres://postgres@localhost:5432/slipstream'),
  DATABASE_POOL_SIZE: z.coerce.number().int().min(2).max(200).default(10),
  /** Replicas of the streams the service creates: 1 on one server, 3 in production. */
  STREAM_REPLICAS: z.coerce.number().int().min(1).max(5).default(1),
  SERVICE_VERSION: z.string().default('0.1.0'),
});

export type ServiceEnvironment = z.infer<typeof serviceEnvironment>;
