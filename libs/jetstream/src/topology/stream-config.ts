import { DiscardPolicy, RetentionPolicy, StorageType, type StreamConfig } from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import { ATTEMPT_BUCKET, ATTEMPT_TTL_MS } from '../connection.js';
import { deadLetterStream, type StreamDefinition, type StreamLimits } from './stream-definition.js';

const DUPLICATE_WINDOW_MS = 2 * 60_000;
/** A process that crashed between the copy and the ack repeats the copy; this window makes it the same one. */
const DEAD_LETTER_DUPLICATE_WINDOW_MS = 60 * 60_000;
/** First server API level that reads several messages for one request (2.11). */
const BATCH_GET_API_LEVEL = 1;
/** First server API level that knows atomic batches (2.12). */
const ATOMIC_BATCH_API_LEVEL = 2;

const ADVISORIES = [
  '$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES',
  '$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED',
];

/** Keeps the server's notices of messages it gave up on, which it sends only once. */
export const ADVISORY_STREAM: StreamDefinition = {
  name: 'ADVISORIES',
  subjects: ADVISORIES.map((kind) => `${kind}.>`),
  deadLetterSubject: '',
};

/** Subjects of the notices about all consumers of a stream. */
export function advisorySubjects(stream: string): string[] {
  return ADVISORIES.map((kind) => `${kind}.${stream}.*`);
}

/** What operators did with dead letters, for ever: it also keeps a redrive that is repeated from being a second one. */
export const OPERATIONS_STREAM: StreamDefinition = {
  name: 'OPERATIONS',
  subjects: ['operations.redrive.>', 'operations.discard.>'],
  deadLetterSubject: '',
};

/** What the server is told of a stream. */
export type StreamSettings = Partial<StreamConfig> & Pick<StreamConfig, 'name' | 'subjects'>;

/** What all streams of an application have in common. */
export interface StreamDefaults {
  /** Replicas of every stream. */
  readonly replicas: number;
  readonly limits?: StreamLimits | undefined;
  /** API level of the server (`getAccountInfo().api.level`), which decides on features; 2 is nats-server 2.12. */
  readonly apiLevel: number;
}

/** Settings of each stream, its dead-letter stream, and the streams of the library. */
export function streamSettings(
  definitions: readonly StreamDefinition[],
  { replicas, limits, apiLevel }: StreamDefaults,
): StreamSettings[] {
  const settings = (name: string, subjects: readonly string[], windowMs: number, kept: StreamLimits = {}) =>
    common({ name, subjects: [...subjects], num_replicas: replicas }, windowMs, kept);
  return [
    ...definitions.flatMap((definition) => [
      {
        ...settings(definition.name, definition.subjects, DUPLICATE_WINDOW_MS, {
          ...limits,
          ...definition.limits,
        }),
        ...(apiLevel >= ATOMIC_BATCH_API_LEVEL ? { allow_atomic: true } : {}),
        // Its publisher looks up what it holds without a consumer, which it need not be allowed to create.
        ...(apiLevel >= BATCH_GET_API_LEVEL ? { allow_direct: true } : {}),
      },
      settings(
        deadLetterStream(definition.name),
        [definition.deadLetterSubject],
        DEAD_LETTER_DUPLICATE_WINDOW_MS,
      ),
    ]),
    settings(ADVISORY_STREAM.name, ADVISORY_STREAM.subjects, DUPLICATE_WINDOW_MS),
    settings(OPERATIONS_STREAM.name, OPERATIONS_STREAM.subjects, DUPLICATE_WINDOW_MS),
    attemptSettings(replicas),
  ];
}

/** The bucket that counts attempts, as the client creates it. */
function attemptSettings(replicas: number): StreamSettings {
  return {
    name: `KV_${ATTEMPT_BUCKET}`,
    subjects: [`$KV.${ATTEMPT_BUCKET}.>`],
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.New,
    max_msgs_per_subject: 1,
    max_age: nanos(ATTEMPT_TTL_MS),
    num_replicas: replicas,
    allow_rollup_hdrs: true,
    allow_direct: true,
  };
}

function common(
  settings: Pick<StreamSettings, 'name' | 'subjects' | 'num_replicas'>,
  windowMs: number,
  { maxAgeMs, maxBytes }: StreamLimits,
): StreamSettings {
  return {
    ...settings,
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.New,
    // The server refuses a window that is longer than the age.
    duplicate_window: nanos(Math.min(windowMs, maxAgeMs ?? windowMs)),
    max_age: nanos(maxAgeMs ?? 0),
    max_bytes: maxBytes ?? -1,
  };
}
