import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isRunning, type Stoppable, stopInStages } from './stop-in-stages.mjs';

export type ProcessRecord = Stoppable & { readonly name: string };

export function recordProcess(directory: string, record: ProcessRecord): void {
  mkdirSync(directory, { recursive: true });
  writeFileSync(recordFile(directory, record.name), JSON.stringify(record));
}

export function forgetProcess(directory: string, name: string): void {
  rmSync(recordFile(directory, name), { force: true });
}

/** Stops the processes that an earlier run has left behind on the same data; returns what they were. */
export async function stopLeftovers(directory: string): Promise<ProcessRecord[]> {
  const leftovers = readRecords(directory).filter(isRunning);
  await stopInStages(leftovers);
  rmSync(directory, { recursive: true, force: true });
  return leftovers;
}

function readRecords(directory: string): ProcessRecord[] {
  try {
    const files = readdirSync(directory).filter((file) => file.endsWith('.json'));
    return files.flatMap((file) => parseRecord(readFileSync(join(directory, file), 'utf8')));
  } catch {
    return [];
  }
}

function parseRecord(text: string): ProcessRecord[] {
  try {
    return [JSON.parse(text) as ProcessRecord];
  } catch {
    // Half-written when the machine went down: the process went down with it.
    return [];
  }
}

function recordFile(directory: string, name: string): string {
  return join(directory, `${name}.json`);
}
