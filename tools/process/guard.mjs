// Stops a tool's servers and apps when the tool itself was killed and could not.
// Its standard input is a pipe from the tool; the pipe closes when the tool ends, in whatever way.
import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { stopInStages } from './stop-in-stages.mjs';

/** @type {Map<number, import('./stop-in-stages.mjs').Stoppable>} */
const watched = new Map();
/** @type {Set<string>} */
const directories = new Set();

for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line);
  if (message.watch) watched.set(message.watch.pid, message.watch);
  if (message.forget) watched.delete(message.forget);
  if (message.remove) directories.add(message.remove);
  if (message.keep) directories.delete(message.keep);
}
await stopInStages([...watched.values()]);
for (const directory of directories) rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
