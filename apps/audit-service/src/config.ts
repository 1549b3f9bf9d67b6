import { parseEnvironment } from '@slipstream/bootstrap';
import { serviceEnvironment } from '@slipstream/service';
import { z } from 'zod';

export const configSchema = serviceEnvironment.extend({
  PORT: z.coerce.number().int().min(0).max(65_535).default(3004),
  /** Ed25519 private key in PEM that signs the ends of the log; created where it is missing. */
  AUDIT_SIGNING_KEY_FILE: z.string().min(1).default('.data/audit-signing-key.pem'),
  /** Where segments are kept: NATS Object Store, or an S3 bucket that was created with Object Lock. */
  AUDIT_STORE: z.enum(['nats', 's3']).default('nats'),
  S3_BUCKET: z.string().min(3).default('audit'),
  S3_REGION: z.string().min(1).default('us-east-1'),
  /** Server other than Amazon's. */
  S3_ENDPOINT: z.url().optional(),
  /** Absent: found where the AWS SDK looks for credentials. */
  S3_ACCESS_KEY_ID: z.string().min(1).optional(),
  S3_SECRET_ACCESS_KEY: z.string().min(1).optional(),
  /** Days for which an S3 segment can neither be deleted nor replaced. */
  AUDIT_RETENTION_DAYS: z.coerce.number().int().min(1).max(36_500).default(3_650),
});

export type Config = z.infer<typeof configSchema>;

export function loadConfig(): Config {
  return parseEnvironment(configSchema);
}
