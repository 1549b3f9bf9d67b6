import { buildApps } from '../stack/build.ts';
import { entryFileOf } from '../stack/units.ts';
import { runCommand } from '../servers/run-command.ts';

const APP = 'cli';

/** Who connects to NATS, and what the server is told of it. */
export interface Roles {
  readonly names: readonly string[];
  /** Permissions of each, in the server's configuration language. */
  readonly config: string;
}

/** Asks the code, as it is, which roles there are. */
export async function readRoles(): Promise<Roles> {
  const { data } = JSON.parse(await runCli(['permissions', '--json'])) as {
    data: { roles: Readonly<Record<string, unknown>>; config: string };
  };
  return { names: Object.keys(data.roles), config: data.config };
}

/** Runs the command line of this project, which is built first where its sources have changed. */
export async function runCli(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<string> {
  await buildApps([APP]);
  const env = { ...process.env, ...environment };
  return runCommand(process.execPath, [entryFileOf(APP), ...args], { env });
}
