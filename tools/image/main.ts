import { parseArgs } from 'node:util';
import { messageOf } from '../setup-error.ts';
import { buildApps } from '../stack/build.ts';
import { assembleImage } from './assemble.ts';

const { positionals } = parseArgs({ allowPositionals: true });
const [app, directory] = positionals;
if (!app || !directory) {
  console.error('Usage: node tools/image/main.ts <app> <directory>');
  process.exit(2);
}
try {
  await buildApps([app]);
  const { files } = await assembleImage(app, directory);
  console.log(`${app}: ${files.length} files in ${directory}`);
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = 1;
}
