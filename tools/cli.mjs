#!/usr/bin/env node
import { runPinned } from './install/run-pinned.mjs';

await runPinned('tools/cli/main.ts');
