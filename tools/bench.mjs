import { runPinned } from './install/run-pinned.mjs';

await runPinned('tools/bench/main.ts');
