import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { buildApps } from '../stack/build.ts';
import { Reporter } from '../stack/reporter.ts';
import { entryFileOf } from '../stack/units.ts';
import { messageOf } from '../setup-error.ts';

const APP = 'cli';
const REPORT_AFTER_MS = 1_000;

try {
  await build();
} catch (error) {
  console.error(messageOf(error));
  process.exit(1);
}
process.exit(await runApp());

/** Says nothing while nothing has to be built. Standard output belongs to the command. */
async function build(): Promise<void> {
  const building = buildApps([APP]);
  const isLong = new Promise((resolve) => setTimeout(resolve, REPORT_AFTER_MS, true).unref());
  if ((await Promise.race([building, isLong])) === true) {
    await new Reporter(process.stderr).step('build the command line', () => building);
  }
}

async function runApp(): Promise<number> {
  const child = spawn(
    process.execPath,
    ['--enable-source-maps', entryFileOf(APP), ...process.argv.slice(2)],
    {
      // Paths among the arguments are meant from where the command was typed.
      cwd: process.env.INIT_CWD ?? process.cwd(),
      stdio: 'inherit',
    },
  );
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  const [code] = await once(child, 'exit');
  return typeof code === 'number' ? code : 1;
}
