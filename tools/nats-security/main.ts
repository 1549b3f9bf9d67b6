import { join, resolve } from 'node:path';
import { SetupError } from '../setup-error.ts';
import { runScript, script } from '../script.ts';
import { ensureCredentials } from './credentials.ts';
import { readRoles } from './roles.ts';
import { retireUserKey, rotateUserKey } from './user-key.ts';

interface Options {
  readonly hosts?: string;
  readonly rotate?: string;
  readonly retire?: string;
}

const DESCRIPTION =
  'Makes certificates and keys for NATS servers and all who connect to them, where they are missing or nearly over.';

await runScript(
  script('credentials', DESCRIPTION)
    .argument('<directory>')
    .option(
      '--hosts <a,b>',
      'names and addresses of the servers (default: those of before, else localhost,127.0.0.1)',
    )
    .option('--rotate <role>', 'make another key for a role; servers let in both until --retire')
    .option('--retire <role>', 'end the key that a rotation replaced')
    .action(makeCredentials),
);

async function makeCredentials(given: string, { hosts, rotate, retire }: Options): Promise<void> {
  // Paths are meant from where the command was typed.
  const directory = resolve(process.env.INIT_CWD ?? process.cwd(), given);
  const { names } = await readRoles();
  const ensure = () => ensureCredentials({ directory, roles: names, hosts: hosts?.split(',') });
  await ensure();
  if (rotate) rotateUserKey(join(directory, requireRole(rotate, names)));
  if (retire) retireUserKey(join(directory, requireRole(retire, names)));
  await ensure();
  console.log(`Certificates and keys of ${names.join(', ')} are in ${directory}.`);
}

function requireRole(name: string, names: readonly string[]): string {
  if (names.includes(name)) return name;
  throw new SetupError(`there is no role "${name}"; take one of ${names.join(', ')}`);
}
