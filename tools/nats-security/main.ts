import { parseArgs } from 'node:util';
import { messageOf } from '../setup-error.ts';
import { ensureCredentials } from './credentials.ts';
import { readRoles } from './roles.ts';
import { retireUserKey, rotateUserKey } from './user-key.ts';
import { join, resolve } from 'node:path';

const USAGE = `Usage: npm run credentials -- <directory> [options]

Makes certificates and keys for NATS servers and all who connect to them, where they are missing or nearly over.

  --hosts a,b      names and addresses of the servers (default localhost,127.0.0.1)
  --rotate ROLE    makes another key for a role; servers let in both until --retire
  --retire ROLE    ends the key that a rotation replaced`;

try {
  await main();
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = 1;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      hosts: { type: 'string', default: 'localhost,127.0.0.1' },
      rotate: { type: 'string' },
      retire: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const [given] = positionals;
  if (values.help || given === undefined || positionals.length > 1) {
    console.log(USAGE);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  // Paths are meant from where the command was typed.
  const directory = resolve(process.env.INIT_CWD ?? process.cwd(), given);
  const { names } = await readRoles();
  const ensure = () => ensureCredentials({ directory, roles: names, hosts: values.hosts.split(',') });
  await ensure();
  if (values.rotate) rotateUserKey(join(directory, requireRole(values.rotate, names)));
  if (values.retire) retireUserKey(join(directory, requireRole(values.retire, names)));
  await ensure();
  console.log(`Certificates and keys of ${names.join(', ')} are in ${directory}.`);
}

function requireRole(name: string, names: readonly string[]): string {
  if (names.includes(name)) return name;
  throw new Error(`there is no role "${name}"; take one of ${names.join(', ')}`);
}
