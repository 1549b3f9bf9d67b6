import { serviceEnvironment } from '@slipstream/service';
import { Command } from 'commander';
import { addAuditCommands } from './commands/audit.js';
import { addConsumerCommands } from './commands/consumers.js';
import { addDeadLetterCommands } from './commands/dead-letters.js';
import { addDescribeCommand } from './commands/describe.js';
import { addDoctorCommand } from './commands/doctor.js';
import { addInboxCommands } from './commands/inbox.js';
import { addMigrateCommand } from './commands/migrate.js';
import { addOutboxCommands } from './commands/outbox.js';
import { addPermissionsCommand } from './commands/permissions.js';
import { addReplayCommand } from './commands/replay.js';
import { addStreamCommands } from './commands/streams.js';
import { addTraceCommand } from './commands/trace.js';
import { EXIT, type ExitCode } from './exit-codes.js';
import { Session, type GlobalOptions } from './session.js';

const DEFAULT_SERVER = 'nats://localhost:4222';

/** Wraps what a command does; it gets the session before the arguments commander gives it. */
export type Run = <Arguments extends unknown[]>(
  work: (session: Session, ...args: Arguments) => Promise<ExitCode | void>,
) => (...args: Arguments) => Promise<void>;

/** All commands. `onEnd` learns what the process should end with. */
export function createProgram(onEnd: (code: ExitCode) => void): Command {
  const program = new Command('slipstream')
    .description('Inspects and operates streams, consumers, dead letters, outboxes and inboxes.')
    .version(serviceEnvironment.shape.SERVICE_VERSION.parse(process.env['SERVICE_VERSION'] || undefined))
    .option('--server <url>', 'NATS servers, separated by commas', process.env['NATS_URL'] || DEFAULT_SERVER)
    .option('--creds <file>', 'credentials of the NATS user, over those of the environment')
    .option('--json', 'print one JSON document')
    .option('--yes', 'do not ask')
    .option('--by <name>', 'who does it, for the record (default: your user name)')
    .option('--reason <text>', 'why, for the record')
    .showHelpAfterError('Add --help to see what there is.')
    .exitOverride();
  const run: Run =
    (work) =>
    async (...args) => {
      const session = new Session(program.opts<GlobalOptions>());
      onEnd((await work(session, ...args)) ?? EXIT.ok);
    };
  addStreamCommands(program, run);
  addConsumerCommands(program, run);
  addDescribeCommand(program, run);
  addDoctorCommand(program, run);
  addPermissionsCommand(program, run);
  addDeadLetterCommands(program, run);
  addReplayCommand(program, run);
  addMigrateCommand(program, run);
  addOutboxCommands(program, run);
  addInboxCommands(program, run);
  addAuditCommands(program, run);
  addTraceCommand(program, run);
  return program;
}
