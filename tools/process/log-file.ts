import {
  closeSync,
  copyFileSync,
  fstatSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
} from 'node:fs';

const TAIL_BYTES = 32_768;
const TAIL_LINES = 20;
const LINE_CHARACTERS = 600;

export function sizeOfLog(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** The last lines written after `start`, each cut to a readable length. */
export function endOfLog(file: string, start: number): string[] {
  const descriptor = openSync(file, 'r');
  try {
    const { size } = fstatSync(descriptor);
    const from = Math.max(start, size - TAIL_BYTES, 0);
    const bytes = Buffer.alloc(Math.max(size - from, 0));
    readSync(descriptor, bytes, 0, bytes.length, from);
    const lines = bytes.toString('utf8').split('\n').filter(Boolean);
    return lines.slice(-TAIL_LINES).map((line) => line.slice(0, LINE_CHARACTERS));
  } finally {
    closeSync(descriptor);
  }
}

/** Keeps a log that is still being appended to from filling the disk: one older part is kept as `.1`. */
export function limitLogSize(file: string, maxBytes: number): void {
  if (sizeOfLog(file) <= maxBytes) return;
  const older = `${file}.1`;
  try {
    copyFileSync(file, older);
  } catch {
    // The disk may be full already: room is worth more than an older part, and the stack more than both.
    rmSync(older, { recursive: true, force: true });
  }
  truncateSync(file);
}
