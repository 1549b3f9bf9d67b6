import { Option } from 'commander';
import { runScript, script } from '../script.ts';

const tier = new Option('--tier <tier>', 'twice at each point, five times or a hundred times')
  .choices(['short', 'pr', 'nightly'])
  .default('pr');

await runScript(
  script('faults', 'Kills services at each point of the life of a message and checks what came of it.')
    .addOption(tier)
    .action(async (options: { tier: string }) => {
      process.env.FAULT_TIER = options.tier;
      process.argv.splice(2, Infinity, 'test/faults', 'libs/jetstream/test/crash-points');
      await import('../test/main.ts');
    }),
);
