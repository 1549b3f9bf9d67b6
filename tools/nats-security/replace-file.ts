import { renameSync, writeFileSync } from 'node:fs';

/** Writes a file so that nobody ever reads half of it. */
export function replaceFile(file: string, content: string, mode = 0o644): void {
  const fresh = `${file}.new`;
  writeFileSync(fresh, content, { mode });
  renameSync(fresh, file);
}
