import { parseEnvironment } from '@slipstream/bootstrap';
import { serviceEnvironment } from '@slipstream/service';
import { z } from 'zod';

export const configSchema = serviceEnvironment.extend({
  PORT: z.coerce.number().int().min(0).max(65_535).default(3004).describe('TCP port of the HTTP server.'),
  AUDIT_SIGNING_KEY_FILE: z
    .string()
    .min(1)
    .default('.data/audit-signing-key.pem')
    .describe(
      'File with the Ed25519 private key (PEM) that signs the ends of the log; created where it is missing.',
    ),
  AUDIT_STORE: z
    .enum(['nats', 's3'])
    .default('nats')
    .describe(
      'Where segments are kept: in the Object Store of NATS, or in an S3 bucket that was created with Object Lock.',
    ),
  S3_BUCKET: z
    .string()
    .min(3)
    .default('audit')
    .describe('Name of that bucket; `S3_…` and `AUDIT_RETENTION_DAYS` are for `AUDIT_STORE=s3` alone.'),
  S3_REGION: z.string().min(1).default('us-east-1').describe('Region of the bucket.'),
  S3_ENDPOINT: z.url().optional().describe("URL of an S3 server other than Amazon's."),
  S3_ACCESS_KEY_ID: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Id of the access key to S3. Unless both it and its secret are set, the AWS SDK looks where it always does.',
    ),
  S3_SECRET_ACCESS_KEY: z.string().min(1).optional().describe('Secret of that key.'),
  AUDIT_RETENTION_DAYS: z.coerce
    .number()
    .int()
    .min(1)
    .max(36_500)
    .default(3_650)
    .describe(
      'Days for which a segment in S3 can neither be deleted nor replaced (Object Lock in compliance mode): ten years by default, which **nobody can shorten for what is stored already**.',
    ),
});

export type Config = z.infer<typeof configSchema>;

export function loadConfig(): Config {
  return parseEnvironment(configSchema);
}
