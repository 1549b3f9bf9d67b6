import type { FactoryProvider } from '@nestjs/common';
import { Objm, type ObjectStore } from '@nats-io/obj';
import { JetStreamConnection } from '@slipstream/jetstream';

const BUCKET = 'audit';
const READ_TIMEOUT_MS = 10_000;

/** Segments as objects of a NATS Object Store. An object is written once and never replaced. */
export class SegmentStore {
  private constructor(private readonly objects: ObjectStore) {}

  static provider(replicas: number): FactoryProvider<SegmentStore> {
    return {
      provide: SegmentStore,
      inject: [JetStreamConnection],
      useFactory: async ({ client }: JetStreamConnection) =>
        new SegmentStore(await new Objm(client).create(BUCKET, { replicas })),
    };
  }

  async write(name: string, content: Buffer): Promise<void> {
    await this.objects.putBlob({ name }, content);
  }

  /** @returns undefined when the object is missing, incomplete or does not match its own digest */
  async read(name: string): Promise<Buffer | undefined> {
    const { promise: timeout, reject } = Promise.withResolvers<never>();
    // The client waits for ever for chunks that are gone.
    const timer = setTimeout(() => reject(new Error('timed out')), READ_TIMEOUT_MS);
    try {
      const content = await Promise.race([this.objects.getBlob(name), timeout]);
      return content ? Buffer.from(content) : undefined;
    } catch {
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }
}
