import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/**
 * What tells a process from a later one that got the same pid; undefined when no such process runs.
 *
 * @param {number} pid
 * @returns {string | undefined}
 */
export function processIdentity(pid) {
  return process.platform === 'linux' ? readProc(pid) : askPs(pid);
}

/** @param {number} pid */
function readProc(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // A command name may hold spaces and parentheses: fields count from its closing one.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state, startTicks] = [fields[0], fields[19]];
    // A zombie has ended; only its parent has not asked for the exit code yet.
    if (state === 'Z' || state === 'X') return undefined;
    // Ticks count from the boot: without its id a process of an earlier boot could look the same.
    const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${bootId}:${pid}:${startTicks}`;
  } catch {
    return undefined;
  }
}

/** @param {number} pid */
function askPs(pid) {
  const { stdout } = spawnSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' });
  const started = stdout?.trim();
  return started ? `${pid}:${started}` : undefined;
}
