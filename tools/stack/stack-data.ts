import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { removePostgresHome } from '../servers/postgres-home.ts';
import { postgresDir, stackPaths } from './units.ts';

/** What a reset leaves: fetched programs, the locks of running commands, and the data of the secure stack. */
const KEPT = ['cache', 'locks', 'secure'];

/** Removes everything a stack has written into its data directory. */
export function removeStackData(dataDir: string): void {
  if (!existsSync(dataDir)) return;
  removePostgresHome(postgresDir(stackPaths(dataDir)));
  for (const entry of readdirSync(dataDir).filter((name) => !KEPT.includes(name))) {
    rmSync(join(dataDir, entry), { recursive: true, force: true, maxRetries: 3 });
  }
}
