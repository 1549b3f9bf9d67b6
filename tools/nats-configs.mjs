import { runPinned } from './install/run-pinned.mjs';

await runPinned('tools/nats-configs/main.ts');
