import { runPinned } from './install/run-pinned.mjs';

await runPinned('tools/faults/main.ts', {
  nodeOptions: ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'],
});
