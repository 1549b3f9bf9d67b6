import { Argument } from 'commander';
import { runScript, script } from '../script.ts';
import { APPS } from '../stack/apps.ts';
import { buildApps } from '../stack/build.ts';
import { assembleImage } from './assemble.ts';

const names = APPS.map(({ name }) => name);
await runScript(
  script('image', 'Builds an app and puts what its image holds into a directory.')
    .name('node tools/image/main.ts')
    .addArgument(new Argument('<app>').choices(names))
    .argument('<directory>')
    .action(async (app: string, directory: string) => {
      await buildApps([app]);
      const { files } = await assembleImage(app, directory);
      console.log(`${app}: ${files.length} files in ${directory}`);
    }),
);
