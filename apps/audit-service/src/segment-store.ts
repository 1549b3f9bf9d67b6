import type { FactoryProvider } from '@nestjs/common';
import { Objm, type ObjectStore } from '@nats-io/obj';
import { JetStreamConnection } from '@slipstream/jetstream';

const BUCKET = 'audit';

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

  async read(name: string): Promise<Buffer | undefined> {
    const content = await this.objects.getBlob(name);
    return content ? Buffer.from(content) : undefined;
  }
}
