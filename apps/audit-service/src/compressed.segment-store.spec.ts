import { describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { zstdCompressSync } from 'node:zlib';
import { CompressedSegmentStore } from './compressed.segment-store.js';
import { SegmentStore } from './segment-store.js';

class MemoryStore extends SegmentStore {
  readonly objects = new Map<string, Buffer>();

  override async write(name: string, content: Buffer): Promise<string> {
    this.objects.set(`bucket/${name}`, content);
    return `bucket/${name}`;
  }

  override async read(location: string): Promise<Buffer | undefined> {
    return this.objects.get(location);
  }

  override async list(stream: string): Promise<string[]> {
    return [...this.objects.keys()].filter((location) => location.includes(`/${stream}/`));
  }
}

describe('a compressed segment', () => {
  const line = (number: number) => JSON.stringify({ number, subject: 'orders.created.v1', body: 'grün' });
  const segment = Buffer.from(Array.from({ length: 200 }, (_, index) => `${line(index)}\n`).join(''));
  const stored = new MemoryStore();
  const store = new CompressedSegmentStore(stored);

  it('is smaller, says so in its name, and is read as it was written', async () => {
    const location = await store.write('ORDERS/1.ndjson', segment);
    expect(location).toBe('bucket/ORDERS/1.ndjson.zst');
    expect(stored.objects.get(location)?.length).toBeLessThan(segment.length / 4);
    expect(await store.read(location)).toEqual(segment);
  });

  it('that was changed or cut off cannot be read, like one that is missing', async () => {
    const location = await store.write('ORDERS/2.ndjson', segment);
    const content = stored.objects.get(location) ?? Buffer.alloc(0);
    stored.objects.set(location, content.subarray(0, content.length / 2));
    expect(await store.read(location)).toBeUndefined();
    stored.objects.set(location, Buffer.from('{"number":1}\n'));
    expect(await store.read(location)).toBeUndefined();
    expect(await store.read('bucket/nothing.ndjson.zst')).toBeUndefined();
  });

  it('that something was added to cannot be read: other readers would find it, and this one not', async () => {
    const location = await store.write('ORDERS/4.ndjson', segment);
    const content = stored.objects.get(location) ?? Buffer.alloc(0);
    for (const added of [zstdCompressSync('{"number":201}\n'), Buffer.from('{"number":201}\n')]) {
      stored.objects.set(location, Buffer.concat([content, added]));
      expect(await store.read(location)).toBeUndefined();
    }
  });

  it('is one frame, whatever its length', async () => {
    // Incompressible, and with the 9 bytes about it as long as the buffer in which Node's encoder collects.
    const content = randomBytes(16_375);
    const location = await store.write('ORDERS/5.ndjson', content);
    expect(stored.objects.get(location)).toHaveLength(16_384);
    expect(await store.read(location)).toEqual(content);
  });

  it('is read where the encoder of an older release put an empty frame behind it', async () => {
    const location = await store.write('ORDERS/6.ndjson', segment);
    const frame = stored.objects.get(location) ?? Buffer.alloc(0);
    stored.objects.set(location, Buffer.concat([frame, Buffer.from('28b52ffd2000010000', 'hex')]));
    expect(await store.read(location)).toEqual(segment);
  });

  it('is told from one that was stored before there was any', async () => {
    const location = await stored.write('ORDERS/3.ndjson', segment);
    expect(await store.read(location)).toEqual(segment);
  });
});
