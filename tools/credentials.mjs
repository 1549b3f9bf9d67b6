import { runPinned } from './install/run-pinned.mjs';

await runPinned('tools/nats-security/main.ts');
