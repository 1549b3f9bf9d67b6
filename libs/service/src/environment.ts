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
  /** Replicas of the streams the service creates: 1 on one server, 3 in production. */
  STREAM_REPLICAS: z.coerce.number().int().min(1).max(5).default(1),
  /** Age at which streams forget messages, consumed or not. Unlimited when unset. */
  STREAM_MAX_AGE: age.optional(),
  /** Bytes beyond which each stream refuses new messages. Unlimited when unset. */
  STREAM_MAX_BYTES: z.coerce.number().int().min(1_048_576).optional(),
});

/** Where the services keep what is theirs; also the operator's tools read it. */
export const databaseEnvironment = z.object({
  DATABASE_URL: z
    .url({ protocol: /^postgres(ql)?$/ })
    .default('postgres://postgres@localhost:5432/slipstream'),
});

/** What order-service and payment-service must agree on. */
export const orderEnvironment = z.object({
  /** Seconds after which an order that did not settle is cancelled, and not charged any more. */
  ORDER_TIMEOUT: z.coerce.number().positive().default(1_800),
});

/** Variables every service reads. */
export const serviceEnvironment = streamEnvironment.extend({
  ...databaseEnvironment.shape,
  ...natsEnvironment.shape,
  /** `check` refuses to start on tables that lack migrations, and needs no permission to change them. */
  DATABASE_MIGRATIONS: z.enum(['run', 'check']).default('run'),
  DATABASE_POOL_SIZE: z.coerce.number().int().min(2).max(200).default(10),
  /** `bind` creates and changes no stream or consumer, and needs no permission to. */
  JETSTREAM_TOPOLOGY: z.enum(['ensure', 'bind']).default('ensure'),
  /**
   * How long the inbox knows a message at least. A day more than `STREAM_MAX_AGE` (7 days when that is unset) and
   * `OUTBOX_RETENTION` when unset.
   */
  INBOX_RETENTION: age.optional(),
  /** Events that may wait to be published before HTTP refuses new work with 503. */
  OUTBOX_MAX_PENDING: z.coerce.number().int().min(1).default(100_000),
  /** Messages that may wait for a consumer before readiness says `degraded`. */
  CONSUMER_LAG_LIMIT: z.coerce.number().int().min(1).default(10_000),
  /** How long published events are kept, so that a lost stream can be filled again. */
  OUTBOX_RETENTION: age.default(7 * AGE_UNITS_MS.d),
  /** What events are published as; anything there is a codec for is read. */
  EVENT_CONTENT_TYPE: z.enum(CONTENT_TYPES).default(DEFAULT_CONTENT_TYPE),
  SERVICE_VERSION: z.string().default('0.1.0'),
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
