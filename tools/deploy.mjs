import { runPinned } from './install/run-pinned.mjs';

// The apps' own configuration is read, which is TypeScript with decorators.
await runPinned('tools/deploy/main.ts', { nodeOptions: ['--import', './libs/testing/node/typescript.mjs'] });
