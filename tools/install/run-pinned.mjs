import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ensureInstalled, PINNED_NODE, ROOT_DIR, SIGNALS } from './install.mjs';

const PARENT_CHECK_MS = 1_000;
/** Before anything takes time: it may die while dependencies are installed. */
const PARENT = process.ppid;

/**
 * Runs a TypeScript program of this project under the Node.js it is pinned to, with the arguments of this
 * process, and ends as the program ends. Needs nothing installed: that is done first.
 *
 * @param {string} program relative to the root of the project
 * @param {{ nodeOptions?: string[] }} [options]
 */
export async function runPinned(program, { nodeOptions = [] } = {}) {
  try {
    await ensureInstalled();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  }
  const child = spawn(PINNED_NODE, [...nodeOptions, join(ROOT_DIR, program), ...process.argv.slice(2)], {
    cwd: ROOT_DIR,
    env: {
      // Compiling their libraries is a third of what short programs take.
      NODE_COMPILE_CACHE: join(ROOT_DIR, '.data', 'cache', 'compiled'),
      // As npm has it: where the command was typed.
      INIT_CWD: process.cwd(),
      ...process.env,
    },
    // The program learns from the closing of the channel that this process was killed.
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    // Out of the terminal's process group: it gets each signal once, from here.
    detached: true,
  });
  const stopWatching = watchParent(() => child.kill('SIGTERM'));
  for (const signal of SIGNALS) process.on(signal, () => child.kill(signal));
  child.once('error', (error) => {
    console.error(`The pinned Node.js cannot be run: ${error.message}`);
    process.exit(1);
  });
  child.once('exit', (code, signal) => {
    stopWatching();
    if (!signal) process.exit(code ?? 1);
    endGroup(child.pid);
    for (const name of SIGNALS) process.removeAllListeners(name);
    process.kill(process.pid, signal);
  });
}

/**
 * npm cannot pass a SIGKILL on. Whoever starts this program without npm may leave it running on purpose.
 *
 * @param {() => void} onDeath
 */
function watchParent(onDeath) {
  if (!process.env.npm_lifecycle_event) return () => undefined;
  const timer = setInterval(() => {
    if (process.ppid === PARENT) return;
    clearInterval(timer);
    onDeath();
  }, PARENT_CHECK_MS);
  return () => clearInterval(timer);
}

/**
 * Ends what a killed program has left in its process group.
 *
 * @param {number | undefined} leader
 */
function endGroup(leader) {
  try {
    if (leader) process.kill(-leader, 'SIGKILL');
  } catch {
    // Nothing is left.
  }
}
