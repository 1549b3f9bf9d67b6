import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { ROOT_DIR } from '../paths.ts';

/** Contents by path. */
export type GeneratedFiles = ReadonlyMap<string, Buffer>;

/** Writes the files below `directory`, and removes others that were generated into the same directories. */
export function writeAll(directory: string, files: GeneratedFiles): void {
  for (const stray of findStrays(directory, files)) rmSync(join(directory, stray));
  for (const [path, content] of files) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), content);
  }
}

/** Names files that are not as they would be generated now. */
export function isAnyStale(directory: string, files: GeneratedFiles): boolean {
  const changed = [...files].filter(([path, content]) => !isSame(join(directory, path), content));
  const stale = [...changed.map(([path]) => path), ...findStrays(directory, files)];
  for (const path of stale) console.error(`${relative(ROOT_DIR, join(directory, path))} is out of date`);
  if (stale.length > 0) console.error('Run "npm run generate" and commit what it writes.');
  return stale.length > 0;
}

function findStrays(directory: string, files: GeneratedFiles): string[] {
  const generated = new Set([...files.keys()].map(dirname).filter((path) => path !== '.'));
  return [...generated]
    .flatMap((path) => listFiles(join(directory, path)).map((name) => join(path, name)))
    .filter((path) => !files.has(path));
}

function listFiles(directory: string): string[] {
  try {
    const entries = readdirSync(directory, { withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  } catch {
    return [];
  }
}

function isSame(file: string, content: Buffer): boolean {
  try {
    return readFileSync(file).equals(content);
  } catch {
    return false;
  }
}
