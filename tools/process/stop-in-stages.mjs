import { setTimeout as delay } from 'node:timers/promises';
import { errorCode } from './error-code.mjs';
import { processIdentity } from './identity.mjs';

/**
 * A process by pid and identity, and how it is stopped: lower stages first, by the signal, by force when that
 * takes too long.
 *
 * @typedef {{ pid: number, identity?: string, stage: number, signal: NodeJS.Signals, timeoutMs: number }} Stoppable
 */

/**
 * Stops processes that are not children of this one.
 *
 * @param {readonly Stoppable[]} processes
 */
export async function stopInStages(processes) {
  const stages = [...new Set(processes.map(({ stage }) => stage))].toSorted((a, b) => a - b);
  for (const stage of stages) {
    await Promise.all(processes.filter((entry) => entry.stage === stage).map(stop));
  }
}

/** @param {Stoppable} entry */
export function isRunning({ pid, identity }) {
  return identity !== undefined && processIdentity(pid) === identity;
}

/** @param {Stoppable} entry */
async function stop(entry) {
  send(entry, entry.signal);
  // A process paused by SIGSTOP would not see the signal.
  send(entry, 'SIGCONT');
  const deadline = Date.now() + entry.timeoutMs;
  while (isRunning(entry) && Date.now() < deadline) await delay(50);
  send(entry, 'SIGKILL');
  while (isRunning(entry)) await delay(20);
}

/**
 * @param {Stoppable} entry
 * @param {NodeJS.Signals} signal
 */
function send(entry, signal) {
  if (!isRunning(entry)) return;
  try {
    process.kill(entry.pid, signal);
  } catch (error) {
    // It may have ended in between; anything else would wait for ever for a process that cannot be stopped.
    if (errorCode(error) !== 'ESRCH') throw error;
  }
}
