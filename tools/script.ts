import { Command } from 'commander';
import { SetupError } from './setup-error.ts';

/** A script of this project, such as `npm run deploy`. Wrong usage is explained and ends with 2, like that of the command line. */
export function script(name: string, description: string): Command {
  return new Command(`npm run ${name} --`)
    .description(description)
    .helpCommand(false)
    .showHelpAfterError()
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2));
}

/** Does what the arguments of this process ask for. A failure ends the process with 1. */
export async function runScript(command: Command): Promise<void> {
  try {
    await command.parseAsync();
  } catch (error) {
    console.error(error instanceof SetupError ? error.message : error);
    process.exitCode = 1;
  }
}
