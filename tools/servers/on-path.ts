import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Executables of this name in the directories of `PATH`, and in others after those. */
export function executablesOnPath(name: string, path: string, others: readonly string[] = []): string[] {
  const directories = [...path.split(delimiter).filter(Boolean), ...others];
  return [...new Set(directories)].map((directory) => join(directory, name)).filter(isExecutable);
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
