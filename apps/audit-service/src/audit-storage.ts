import { DiscardPolicy, StorageType } from '@nats-io/jetstream';
import { streams } from '@slipstream/contracts';
import {
  declareTopology,
  type OwnStorage,
  type StorageCircumstances,
  type StreamSettings,
} from '@slipstream/jetstream';

export const HEADS_STREAM = 'AUDIT_HEADS';
export const HEAD_SUBJECT = 'audit.heads';
const BUCKET = /^OBJ_(audit-\d{4}-\d\d-\d\d)$/;
const DAY_OF_PLACE = /^audit-(\d{4}-\d\d-\d\d)\//;
/** Buckets that exist beforehand: longer than nobody notices that the job which creates them fails. */
const DAYS_AHEAD = 14;
const DAY_MS = 86_400_000;
/** Sealing cannot be undone, and the clock of whoever asks for it may be ahead of the server's. */
const SEALED_AFTER_MS = 3_600_000;

/** Name of the bucket that the segments of a UTC day are kept in. */
export function bucketOf(day: Date): string {
  return `audit-${day.toISOString().slice(0, 10)}`;
}

/** The UTC day of the bucket that an object is in; undefined for one that is in no such bucket. */
export function dayOf(object: string): Date | undefined {
  const day = new Date(DAY_OF_PLACE.exec(object)?.[1] ?? NaN);
  return Number.isNaN(day.getTime()) ? undefined : day;
}

/** The stream of signed heads. It refuses deletion and purge. */
export function headsStream(replicas: number): StreamSettings {
  return {
    name: HEADS_STREAM,
    subjects: [`${HEAD_SUBJECT}.*`],
    storage: StorageType.File,
    discard: DiscardPolicy.New,
    num_replicas: replicas,
    deny_delete: true,
    deny_purge: true,
  };
}

/** What is created for this service where it only binds, and what it then may publish on. */
export function auditStorage({ replicas, now, environment }: StorageCircumstances): OwnStorage {
  const days = Array.from({ length: DAYS_AHEAD + 1 }, (_, day) => new Date(now.getTime() + day * DAY_MS));
  const hasBuckets = environment['AUDIT_STORE'] !== 's3';
  const buckets = hasBuckets ? days.map((day) => bucketStream(bucketOf(day), replicas)) : [];
  return {
    streams: [headsStream(replicas), ...buckets],
    isOver: (stream) => {
      const [, bucket] = BUCKET.exec(stream) ?? [];
      return bucket !== undefined && bucket < bucketOf(new Date(now.getTime() - SEALED_AFTER_MS));
    },
    publish: [
      `${HEAD_SUBJECT}.*`,
      // A bucket's name is one token, and a new one each day, so none can be named here.
      '$O.*.C.>',
      '$O.*.M.>',
      '$JS.API.INFO',
      '$JS.API.STREAM.INFO.*',
      '$JS.API.STREAM.MSG.GET.*',
    ],
    mustNotPublish: foreignStreams().map((name) => `$JS.API.STREAM.MSG.GET.${name}`),
  };
}

/** What is neither a log of events nor kept by this service: dead letters, and what the transport keeps. */
function foreignStreams(): string[] {
  const shared = declareTopology([], streams, { replicas: 1, apiLevel: 0 }).streams.map(({ name }) => name);
  return shared.filter((name) => !streams.some((stream) => stream.name === name));
}

/** The stream of an object store bucket, as the client creates it. */
function bucketStream(bucket: string, replicas: number): StreamSettings {
  return {
    name: `OBJ_${bucket}`,
    subjects: [`$O.${bucket}.C.>`, `$O.${bucket}.M.>`],
    storage: StorageType.File,
    discard: DiscardPolicy.New,
    num_replicas: replicas,
    allow_rollup_hdrs: true,
    allow_direct: true,
  };
}
