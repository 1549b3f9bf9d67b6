import { runPinned } from './install/run-pinned.mjs';

await runPinned('tools/contracts/main.ts');
