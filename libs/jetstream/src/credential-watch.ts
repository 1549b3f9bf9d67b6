import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';

const INTERVAL_MS = 2_000;

/**
 * Tells when mounted files were replaced. Their content is compared: mounts swap links, rename and rewrite, and not all of
 * that is seen by those who watch a file.
 */
export class CredentialWatch {
  private readonly timer: NodeJS.Timeout;
  private seen: string | undefined;

  /**
   * @param used fingerprint of the content that is in use, taken before it was read to be used: taken later, a file that
   * was replaced in between would count as used
   * @param onReplaced is told once all files have stayed the same for a moment: they are not replaced at once
   */
  constructor(
    private readonly files: readonly string[],
    private used: string | undefined,
    private readonly onReplaced: () => void,
  ) {
    this.timer = setInterval(() => void this.look(), INTERVAL_MS).unref();
    void this.look();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private async look(): Promise<void> {
    const now = await fingerprintOf(this.files);
    const isSettled = now !== undefined && now === this.seen;
    this.seen = now;
    this.used ??= now;
    if (!isSettled || now === this.used) return;
    this.used = now;
    this.onReplaced();
  }
}

/** Tells contents of files from others; undefined while a file is missing. */
export async function fingerprintOf(files: readonly string[]): Promise<string | undefined> {
  try {
    const contents = await Promise.all(files.map((file) => readFile(file)));
    const hash = createHash('sha256');
    for (const content of contents) hash.update(`${content.length}:`).update(content);
    return hash.digest('hex');
  } catch {
    return undefined;
  }
}
