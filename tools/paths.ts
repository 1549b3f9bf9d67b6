import { join } from 'node:path';

export const ROOT_DIR = join(import.meta.dirname, '..');
export const DATA_DIR = join(ROOT_DIR, '.data');
/** What was fetched for this machine: it survives a reset of the data. */
export const CACHE_DIR = join(DATA_DIR, 'cache');
