import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import {
  applyTopology,
  planTopology,
  type TopologyChange,
  type TopologyDeclaration,
} from '@slipstream/jetstream';
import { Inventory, type StreamOverview } from '@slipstream/operations';
import type { Command } from 'commander';
import { EXIT, type ExitCode } from '../exit-codes.js';
import type { Column, Output } from '../output.js';
import type { Run } from '../program.js';
import type { Session } from '../session.js';

const STREAM_COLUMNS: readonly Column<StreamOverview>[] = [
  ['stream', ({ name }) => name],
  ['messages', ({ messages }) => messages],
  ['bytes', ({ bytes }) => bytes],
  ['first', ({ firstSequence, messages }) => (messages > 0 ? firstSequence : null)],
  ['last', ({ lastSequence }) => lastSequence],
  ['last at', ({ lastAt }) => lastAt],
  ['max age', ({ maxAgeMs }) => (maxAgeMs === null ? 'unlimited' : `${maxAgeMs / 1_000} s`)],
  ['max bytes', ({ maxBytes }) => maxBytes ?? 'unlimited'],
  ['replicas', ({ replicas }) => replicas],
  ['subjects', ({ subjects }) => subjects.join(' ')],
];

const CHANGE_COLUMNS: readonly Column<TopologyChange>[] = [
  ['class', (change) => change.class],
  ['change', ({ description }) => description],
];

export function addStreamCommands(program: Command, run: Run): void {
  const command = program
    .command('streams')
    .description('streams and consumers as the code declares them, and as they are');

  command
    .command('ls')
    .description('list streams: messages, bytes, limits, replicas')
    .action(
      run(async (session) => {
        const found = await session.withServer((nc) => new Inventory(nc).streams());
        session.output.result('streams', found, () =>
          session.output.table(found, STREAM_COLUMNS, 'There is no stream.'),
        );
      }),
    );

  command
    .command('plan')
    .description('say what "apply" would change, and what it would not')
    .action(run((session) => compare(session, EXIT.ok)));

  command
    .command('check')
    .description(`compare as "plan" does; exit code ${EXIT.drift} when anything differs`)
    .action(run((session) => compare(session, EXIT.drift)));

  command
    .command('apply')
    .description('create what is missing and make safe changes')
    .option('--migrate', 'also make changes that need a migration, after asking')
    .action(run((session, { migrate = false }: { migrate?: boolean }) => apply(session, migrate)));
}

async function compare(session: Session, whenDifferent: ExitCode): Promise<ExitCode> {
  const changes = await withDeclaration(session, planTopology);
  session.output.result('streams.plan', { changes }, () => printChanges(session.output, changes));
  return changes.length > 0 ? whenDifferent : EXIT.ok;
}

async function apply(session: Session, migrates: boolean): Promise<ExitCode> {
  if (migrates) await session.confirm('Make changes that clients may not expect?');
  const { applied, left } = await withDeclaration(session, async (manager, declaration) => ({
    applied: await applyTopology(manager, declaration, { migrates }),
    left: await planTopology(manager, declaration),
  }));
  const { output } = session;
  output.result('streams.apply', { applied, left }, () => {
    for (const { description } of applied) output.line(`done: ${description}`);
    if (applied.length === 0) output.line('Nothing was to be done.');
    for (const change of left) output.line(`left (${change.class}): ${change.description}`);
  });
  return left.length > 0 ? EXIT.drift : EXIT.ok;
}

function printChanges(output: Output, changes: readonly TopologyChange[]): void {
  if (changes.length === 0) output.line('The server is as declared.');
  else output.table(changes, CHANGE_COLUMNS, '');
}

async function withDeclaration<T>(
  session: Session,
  work: (manager: JetStreamManager, declaration: TopologyDeclaration) => Promise<T>,
): Promise<T> {
  // Services bring their databases' and frameworks' code along, which other commands need not wait for.
  const { declareFor } = await import('../../../system.js');
  return session.withServer(async (nc) => {
    const manager = await jetstreamManager(nc, { checkAPI: false });
    return work(manager, await declareFor(manager));
  });
}
