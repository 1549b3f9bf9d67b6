import { runPinned } from './install/run-pinned.mjs';

await runPinned('tools/stack/main.ts');
