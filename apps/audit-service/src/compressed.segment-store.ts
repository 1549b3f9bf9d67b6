import { promisify } from 'node:util';
import { zstdCompress, zstdCompressSync, zstdDecompress } from 'node:zlib';
import { SegmentStore } from './segment-store.js';

const SUFFIX = '.zst';
const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);
/** What follows a frame that filled the buffer of Node's encoder to the last byte, which then ends a second time. */
const EMPTY_FRAME = zstdCompressSync(Buffer.alloc(0));

/** What the decoder answers when it is asked for `info`, which its types leave out. */
interface Decompressed {
  readonly buffer: Buffer;
  /** `bytesWritten`: how much of the input was read. */
  readonly engine: { readonly bytesWritten: number };
}

/**
 * Keeps segments in Zstandard (RFC 8878), which makes them several times smaller; `zstd -dc` reads them anywhere. Segments
 * that were stored without are read as they are.
 */
export class CompressedSegmentStore extends SegmentStore {
  constructor(private readonly inner: SegmentStore) {
    super();
  }

  async write(name: string, content: Buffer): Promise<string> {
    return this.inner.write(`${name}${SUFFIX}`, await compress(content, { chunkSize: boundOf(content) }));
  }

  async read(location: string): Promise<Buffer | undefined> {
    const stored = await this.inner.read(location);
    if (!stored || !location.endsWith(SUFFIX)) return stored;
    // What was changed by somebody is no frame any more.
    return readFrame(stored).catch(() => undefined);
  }

  list(stream: string, number: number, since: Date): Promise<string[]> {
    return this.inner.list(stream, number, since);
  }
}

/** More than a frame can take, so that it never fills the encoder's buffer: ZSTD_compressBound adds a 256th and 64 bytes. */
function boundOf(content: Buffer): number {
  return content.length + (content.length >> 7) + 1_024;
}

/** @returns undefined when anything follows the frame: other readers would go on where the decoder of Node ends */
async function readFrame(stored: Buffer): Promise<Buffer | undefined> {
  const { buffer, engine } = (await decompress(stored, { info: true })) as unknown as Decompressed;
  const rest = stored.subarray(engine.bytesWritten);
  return rest.length === 0 || rest.equals(EMPTY_FRAME) ? buffer : undefined;
}
