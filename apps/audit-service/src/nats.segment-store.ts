import { JetStreamApiError, type NextMsgRequest } from '@nats-io/jetstream';
import { Objm, type ObjectStore } from '@nats-io/obj';
import { Logger } from '@nestjs/common';
import { TopologyUnavailableError, type JetStreamConnection } from '@slipstream/jetstream';
import { bucketOf } from './audit-storage.js';
import { numberOf, SegmentStore } from './segment-store.js';

const BUCKET_PREFIX = 'audit-';
const STREAM_NOT_FOUND = 10_059;
const DAY_MS = 86_400_000;

export interface NatsSegmentStoreOptions {
  readonly replicas: number;
  /** Buckets are created and sealed by somebody else. @default false */
  readonly onlyBinds?: boolean;
  readonly now?: () => Date;
}

/** A bucket of the NATS Object Store for each UTC day. Buckets of days gone by are sealed: the server refuses all change. */
export class NatsSegmentStore extends SegmentStore {
  private readonly logger = new Logger(NatsSegmentStore.name);
  private readonly manager: Objm;
  private readonly open = new Map<string, Promise<ObjectStore>>();

  constructor(
    private readonly connection: Pick<JetStreamConnection, 'client' | 'manager'>,
    private readonly options: NatsSegmentStoreOptions,
  ) {
    super();
    this.manager = new Objm(connection.client);
  }

  async write(name: string, content: Buffer): Promise<string> {
    const bucket = bucketOf(this.options.now?.() ?? new Date());
    const objects = await this.today(bucket);
    await objects.putBlob({ name }, content);
    return `${bucket}/${name}`;
  }

  async read(location: string): Promise<Buffer | undefined> {
    const [bucket = '', ...name] = location.split('/');
    try {
      return await this.readObject(bucket, name.join('/'));
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** A day more at both ends: the clocks of other processes wrote there. */
  async list(stream: string, number: number, since: Date): Promise<string[]> {
    const places: string[] = [];
    const last = bucketOf(new Date((this.options.now?.() ?? new Date()).getTime() + DAY_MS));
    for (let day = since.getTime() - DAY_MS; bucketOf(new Date(day)) <= last; day += DAY_MS) {
      const bucket = bucketOf(new Date(day));
      const names = await this.namesIn(bucket);
      places.push(
        ...names.filter((name) => name.startsWith(`${stream}/`)).map((name) => `${bucket}/${name}`),
      );
    }
    return places.filter((place) => numberOf(place) >= number);
  }

  /** By their subjects: the client lists objects through a consumer, which is more than this service may create. */
  private async namesIn(bucket: string): Promise<string[]> {
    const { streams } = await this.connection.manager();
    const prefix = `$O.${bucket}.M.`;
    try {
      const { state } = await streams.info(`OBJ_${bucket}`, { subjects_filter: `${prefix}>` });
      const subjects = Object.keys(state.subjects ?? {});
      return subjects.map((subject) => Buffer.from(subject.slice(prefix.length), 'base64url').toString());
    } catch (error) {
      if (isNotFound(error)) return [];
      throw error;
    }
  }

  /** Chunk by chunk: the client reads through a consumer, which is more than this service may create. */
  private async readObject(bucket: string, name: string): Promise<Buffer | undefined> {
    const info = await (await this.manager.open(bucket, false)).info(name);
    if (!info || info.deleted) return undefined;
    const { streams } = await this.connection.manager();
    const chunks: Uint8Array[] = [];
    for (let sequence = 1; chunks.length < info.chunks;) {
      const request = { seq: sequence, next_by_subj: `$O.${bucket}.C.${info.nuid}` } satisfies NextMsgRequest;
      const chunk = await streams.getMessage(`OBJ_${bucket}`, request);
      if (!chunk) return undefined;
      chunks.push(chunk.data);
      sequence = chunk.seq + 1;
    }
    return Buffer.concat(chunks);
  }

  private today(bucket: string): Promise<ObjectStore> {
    const known = this.open.get(bucket);
    if (known) return known;
    this.open.clear();
    const { onlyBinds = false, replicas } = this.options;
    const opened = onlyBinds ? this.bind(bucket) : this.manager.create(bucket, { replicas });
    this.open.set(bucket, opened);
    // A bucket that could not be opened is tried again by the next segment.
    opened.then(
      () => (onlyBinds ? undefined : this.sealBefore(bucket)),
      () => this.open.delete(bucket),
    );
    return opened;
  }

  private async bind(bucket: string): Promise<ObjectStore> {
    try {
      return await this.manager.open(bucket);
    } catch (cause) {
      const problem = `the bucket ${bucket} cannot be opened; "slipstream streams apply" creates those of the next days`;
      throw new TopologyUnavailableError(problem, undefined, { cause });
    }
  }

  /** A process whose clock still has the day before cannot write there any more and tries again, then in the new day. */
  private async sealBefore(bucket: string): Promise<void> {
    try {
      // By the server's clock: sealing cannot be undone, and one that is hours ahead would end the others' recording.
      const { ts } = await (await this.connection.manager()).streams.info(`OBJ_${bucket}`);
      const today = bucketOf(new Date(ts ?? Date.now()));
      for await (const status of this.manager.list()) {
        const isEarlier =
          status.bucket.startsWith(BUCKET_PREFIX) && status.bucket < bucket && status.bucket < today;
        if (!isEarlier || status.sealed) continue;
        await (await this.manager.open(status.bucket)).seal();
        this.logger.log({ bucket: status.bucket }, 'bucket sealed');
      }
    } catch (error) {
      this.logger.error({ err: error }, 'buckets of earlier days could not be sealed');
    }
  }
}

function isNotFound(error: unknown): boolean {
  return error instanceof JetStreamApiError && error.code === STREAM_NOT_FOUND;
}
