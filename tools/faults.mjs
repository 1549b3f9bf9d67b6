import { parseArgs } from 'node:util';
import { runPinned } from './install/run-pinned.mjs';

const TIERS = ['pr', 'nightly'];

const { tier } = parseArgs({ options: { tier: { type: 'string', default: 'pr' } } }).values;
if (!TIERS.includes(tier)) {
  console.error(`--tier must be ${TIERS.join(' or ')}, not "${tier}"`);
  process.exit(2);
}
process.env.FAULT_TIER = tier;
process.argv.splice(2, Infinity, 'test/faults', 'libs/jetstream/test/crash-points');
await runPinned('tools/test/main.ts', {
  nodeOptions: ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'],
});
