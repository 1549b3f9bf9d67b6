import { JetStreamApiError } from '@nats-io/jetstream';
import { Objm, type ObjectStore } from '@nats-io/obj';
import { Logger } from '@nestjs/common';
import type { JetStreamConnection } from '@slipstream/jetstream';
import { SegmentStore } from './segment-store.js';

const BUCKET_PREFIX = 'audit-';
const READ_TIMEOUT_MS = 10_000;
const STREAM_NOT_FOUND = 10_059;

/** A bucket of the NATS Object Store for each UTC day. Buckets of days gone by are sealed: the server refuses all change. */
export class NatsSegmentStore extends SegmentStore {
  private readonly logger = new Logger(NatsSegmentStore.name);
  private readonly manager: Objm;
  private readonly open = new Map<string, Promise<ObjectStore>>();

  constructor(
    private readonly connection: Pick<JetStreamConnection, 'client' | 'manager'>,
    private readonly replicas: number,
    private readonly now: () => Date = () => new Date(),
  ) {
    super();
    this.manager = new Objm(connection.client);
  }

  async write(name: string, content: Buffer): Promise<string> {
    const bucket = `${BUCKET_PREFIX}${this.now().toISOString().slice(0, 10)}`;
    const objects = await this.today(bucket);
    await objects.putBlob({ name }, content);
    return `${bucket}/${name}`;
  }

  async read(location: string): Promise<Buffer | undefined> {
    const [bucket = '', ...name] = location.split('/');
    const objects = await this.find(bucket);
    if (!objects) return undefined;
    const { promise: timeout, reject } = Promise.withResolvers<never>();
    // The client waits for ever for chunks that are gone.
    const timer = setTimeout(() => reject(new Error('timed out')), READ_TIMEOUT_MS);
    try {
      const content = await Promise.race([objects.getBlob(name.join('/')), timeout]);
      return content ? Buffer.from(content) : undefined;
    } catch {
      // An outage is no proof of a missing segment: this throws while the server is away.
      await this.find(bucket);
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }

  private async find(bucket: string): Promise<ObjectStore | undefined> {
    try {
      const manager = await this.connection.manager();
      await manager.streams.info(`OBJ_${bucket}`);
      return await this.manager.open(bucket, false);
    } catch (error) {
      if (error instanceof JetStreamApiError && error.code === STREAM_NOT_FOUND) return undefined;
      throw error;
    }
  }

  private today(bucket: string): Promise<ObjectStore> {
    const known = this.open.get(bucket);
    if (known) return known;
    this.open.clear();
    const opened = this.manager.create(bucket, { replicas: this.replicas });
    this.open.set(bucket, opened);
    // A bucket that could not be opened is tried again by the next segment.
    opened.then(
      () => this.sealBefore(bucket),
      () => this.open.delete(bucket),
    );
    return opened;
  }

  /** A process whose clock still has the day before cannot write there any more and tries again, then in the new day. */
  private async sealBefore(bucket: string): Promise<void> {
    try {
      for await (const status of this.manager.list()) {
        const isEarlier = status.bucket.startsWith(BUCKET_PREFIX) && status.bucket < bucket;
        if (!isEarlier || status.sealed) continue;
        await (await this.manager.open(status.bucket)).seal();
        this.logger.log({ bucket: status.bucket }, 'bucket sealed');
      }
    } catch (error) {
      this.logger.error({ err: error }, 'buckets of earlier days could not be sealed');
    }
  }
}
