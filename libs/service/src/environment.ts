import { CONTENT_TYPES, DEFAULT_CONTENT_TYPE } from '@slipstream/contracts';
import { natsEnvironment } from '@slipstream/jetstream';
import { z } from 'zod';

const AGE_UNITS_MS = { s: 1_000, min: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `14d`, `12h`, `30min` or `90s`, read as milliseconds. */
const age = z
  .string()
  .regex(/^[1-9]\d*(s|min|h|d)$/, 'must be a number and a unit, such as 14d, 12h, 30min or 90s')
  .transform((text) => {
    const [, count, unit] = /^(\d+)(.+)$/.exec(text) ?? [];
    return Number(count) * AGE_UNITS_MS[unit as keyof typeof AGE_UNITS_MS];
  });

/** Variables that say what streams are like; also the operator's tools read them. */
export const streamEnvironment = z.object({
  STREAM_REPLICAS: z.coerce
    .number()
    .int()
    .min(1)
    .max(5)
    .default(1)
    .describe('Replicas of the streams that are created: 1 on one server, 3 in production.'),
  STREAM_MAX_AGE: age
    .optional()
    .describe('Age at which streams forget messages, consumed or not, such as `14d`. Unlimited when unset.'),
  STREAM_MAX_BYTES: z.coerce
    .number()
    .int()
    .min(1_048_576)
    .optional()
    .describe('Bytes beyond which each stream refuses new messages. Unlimited when unset.'),
});

/** Where the services keep what is theirs; also the operator's tools read it. */
export const databaseEnvironment = z.object({
  DATABASE_URL: z
    .url({ protocol: /^postgres(ql)?$/ })
    .default('postgres://postgres@localhost:5432/slipstream')
    .describe('URL of the PostgreSQL database that holds the tables of the services, a schema for each.'),
});

/** What order-service and payment-service must agree on. */
export const orderEnvironment = z.object({
  ORDER_TIMEOUT: z.coerce
    .number()
    .positive()
    .default(1_800)
    .describe(
      'Seconds after which an order that did not settle is cancelled, and not charged any more; the same for order-service and payment-service.',
    ),
});

/** Variables every service reads. */
export const serviceEnvironment = streamEnvironment.extend({
  ...databaseEnvironment.shape,
  ...natsEnvironment.shape,
  DATABASE_MIGRATIONS: z
    .enum(['run', 'check'])
    .default('run')
    .describe(
      'What is done at start about tables that lack migrations: `check` refuses to start, and needs no permission to change them.',
    ),
  DATABASE_POOL_SIZE: z.coerce
    .number()
    .int()
    // The relay keeps one, and the reconciler takes one and asks for another meanwhile.
    .min(4)
    .max(200)
    .default(10)
    .describe('Most connections to the database that a process holds, 4 at least.'),
  JETSTREAM_TOPOLOGY: z
    .enum(['ensure', 'bind'])
    .default('ensure')
    .describe(
      'What is done at start about streams and consumers: `bind` creates and changes none, and needs no permission to.',
    ),
  INBOX_RETENTION: age
    .optional()
    .describe(
      'How long the inbox knows a message at least, such as `14d`. When unset, a day more than the longer of `STREAM_MAX_AGE` (7 days when that is unset) and `OUTBOX_RETENTION`; shorter than either is refused.',
    ),
  OUTBOX_MAX_PENDING: z.coerce
    .number()
    .int()
    .min(1)
    .default(100_000)
    .describe('Events that may wait to be published before HTTP refuses new work with 503.'),
  CONSUMER_LAG_LIMIT: z.coerce
    .number()
    .int()
    .min(1)
    .default(10_000)
    .describe('Messages that may wait for a consumer before readiness says `degraded`.'),
  OUTBOX_RETENTION: age
    .prefault('7d')
    .describe('How long published events are kept, so that a lost stream can be filled again.'),
  EVENT_CONTENT_TYPE: z
    .enum(CONTENT_TYPES)
    .default(DEFAULT_CONTENT_TYPE)
    .describe('How events are written; all of these are read, whatever it says.'),
  SERVICE_VERSION: z
    .string()
    .default('0.1.0')
    .describe('Version that dead letters name, and `cli --version` prints.'),
});

export type ServiceEnvironment = z.infer<typeof serviceEnvironment>;

/**
 * A message that its stream still has may come again, and so may one that an outbox can publish again: the inbox must know
 * both.
 * @throws RangeError when `INBOX_RETENTION` is too short for that
 */
export function inboxRetentionMs({
  INBOX_RETENTION,
  OUTBOX_RETENTION,
  STREAM_MAX_AGE = 7 * AGE_UNITS_MS.d,
}: Pick<ServiceEnvironment, 'INBOX_RETENTION' | 'OUTBOX_RETENTION' | 'STREAM_MAX_AGE'>): number {
  if (INBOX_RETENTION === undefined) return Math.max(STREAM_MAX_AGE, OUTBOX_RETENTION) + AGE_UNITS_MS.d;
  for (const [name, ageMs] of Object.entries({ STREAM_MAX_AGE, OUTBOX_RETENTION })) {
    if (INBOX_RETENTION < ageMs) {
      throw new RangeError(`INBOX_RETENTION is shorter than ${name}; raise it above that`);
    }
  }
  return INBOX_RETENTION;
}
