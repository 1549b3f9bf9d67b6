import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { processIdentity } from '../process/identity.mjs';

/**
 * After a crash the pid file remains, and PostgreSQL refuses to start when another program runs under that pid
 * by now. The pid is replaced by our own, which it ignores as its parent's. The file itself stays: its other
 * lines let PostgreSQL find processes of the crashed server that are still at work on the data.
 */
export function retireStalePidFile(cluster: string): void {
  const file = join(cluster, 'postmaster.pid');
  const [firstLine, ...rest] = readOptional(file).split('\n');
  const pid = Number(firstLine);
  if (!pid || processIdentity(pid) === undefined || isPostgres(pid)) return;
  writeFileSync(file, [String(process.pid), ...rest].join('\n'));
}

function isPostgres(pid: number): boolean {
  const command = readOptional(`/proc/${pid}/cmdline`) || askPs(pid);
  return /(^|\/)postgres(\0|:|\s|$)/.test(command);
}

function askPs(pid: number): string {
  return spawnSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).stdout ?? '';
}

function readOptional(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
