import { constants } from 'node:fs';
import { mkdir, open, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';

const LINE_FEED = 0x0a;
const READ_CHUNK_BYTES = 1024 * 1024;

interface Waiting {
  readonly line: string;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * File of lines that are durable once `append` resolves. Lines that arrive while a write is on its way to the disk
 * share the next one, so that the rate is not bound by the disk's syncs per second.
 *
 * After a failed write nobody knows what is on the disk. The file then refuses every further line until the process
 * is started again and reads what is there.
 */
export class LedgerFile {
  private readonly waiting: Waiting[] = [];
  private flushing: Promise<void> | undefined;
  private failure: unknown;
  private truncated = false;

  private constructor(
    private readonly handle: FileHandle,
    private end: number,
  ) {}

  /**
   * Opens the file, or makes it, and hands every whole line to `onLine`, with its 1-based number. A last line without
   * a line feed was cut off by a crash before anybody was told of it; it is dropped by the first append.
   */
  static async open(path: string, onLine: (line: string, number: number) => void): Promise<LedgerFile> {
    await mkdir(dirname(path), { recursive: true });
    const handle = await open(path, constants.O_RDWR | constants.O_CREAT, 0o644);
    try {
      const end = await readLines(handle, onLine);
      await syncDirectory(dirname(path));
      return new LedgerFile(handle, end);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Resolves once the line is on the disk. */
  append(line: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ line: `${line}\n`, resolve, reject });
      this.flushing ??= this.flush();
    });
  }

  /** Throws what made the file refuse further lines. */
  assertWritable(): void {
    if (this.failure !== undefined) {
      throw new Error('The ledger could not be written; restart to read what is on the disk.', {
        cause: this.failure,
      });
    }
  }

  async close(): Promise<void> {
    await this.flushing;
    await this.handle.close();
  }

  private async flush(): Promise<void> {
    // Lets the requests that arrived in the same turn join the first write.
    await Promise.resolve();
    while (this.waiting.length > 0) {
      const batch = this.waiting.splice(0);
      try {
        this.assertWritable();
        await this.write(Buffer.from(batch.map(({ line }) => line).join(''), 'utf8'));
        batch.forEach(({ resolve }) => resolve());
      } catch (error) {
        this.failure ??= error;
        batch.forEach(({ reject }) => reject(error));
      }
    }
    this.flushing = undefined;
  }

  private async write(data: Buffer): Promise<void> {
    if (!this.truncated) {
      // Not at the opening: a second process on the same file must not cut off what the first one is writing.
      await this.handle.truncate(this.end);
      this.truncated = true;
    }
    for (let written = 0; written < data.length;) {
      const { bytesWritten } = await this.handle.write(
        data,
        written,
        data.length - written,
        this.end + written,
      );
      written += bytesWritten;
    }
    await this.handle.datasync();
    this.end += data.length;
  }
}

/** Returns the offset after the last line feed. */
async function readLines(
  handle: FileHandle,
  onLine: (line: string, number: number) => void,
): Promise<number> {
  let rest = Buffer.alloc(0);
  let offset = 0;
  let lines = 0;
  for (;;) {
    const { bytesRead, buffer } = await handle.read(
      Buffer.allocUnsafe(READ_CHUNK_BYTES),
      0,
      READ_CHUNK_BYTES,
      offset,
    );
    if (bytesRead === 0) {
      return offset - rest.length;
    }
    offset += bytesRead;
    rest = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
    let start = 0;
    for (let feed = rest.indexOf(LINE_FEED); feed !== -1; feed = rest.indexOf(LINE_FEED, start)) {
      lines += 1;
      onLine(rest.toString('utf8', start, feed), lines);
      start = feed + 1;
    }
    rest = rest.subarray(start);
  }
}

/** Without it, a power cut may forget that a new file exists. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, constants.O_RDONLY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
