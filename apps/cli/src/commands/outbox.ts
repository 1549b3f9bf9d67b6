import { streams } from '@slipstream/contracts';
import { matchesSubject } from '@slipstream/jetstream';
import { InvalidRequestError, NotFoundError } from '@slipstream/operations';
import type { Command } from 'commander';
import { EXIT, type ExitCode } from '../exit-codes.js';
import type { RepublishReport, SetAsideEvent, withOutboxOf } from '../outbox-access.js';
import type { Column } from '../output.js';
import { parseLimit, parseTime } from '../parse.js';
import type { Run } from '../program.js';
import type { Session } from '../session.js';

interface ServiceOption {
  readonly service: string;
}

interface ListOptions extends ServiceOption {
  readonly limit: number;
}

interface RequeueOptions extends ServiceOption {
  readonly all?: boolean;
}

interface RepublishOptions extends ServiceOption {
  readonly since: Date;
  readonly stream?: string;
  readonly send?: boolean;
}

interface ReconcileOptions extends ServiceOption {
  readonly since: Date;
  readonly until?: Date;
  readonly repair?: boolean;
}

/** A stream takes no id again within its duplicate window, and what was committed a moment ago is on its way. */
const SETTLED_AFTER_MS = 5 * 60_000;

const EVENT_COLUMNS: readonly Column<[subject: string, events: number]>[] = [
  ['subject', ([subject]) => subject],
  ['events', ([, events]) => events],
];

const SET_ASIDE_COLUMNS: readonly Column<SetAsideEvent>[] = [
  ['id', ({ id }) => id],
  ['subject', ({ subject }) => subject],
  ['aggregate', ({ aggregateId }) => aggregateId],
  ['message id', ({ messageId }) => messageId],
  ['error', ({ code }) => code],
  ['message', ({ reason }) => reason],
  ['set aside at', ({ setAsideAt }) => setAsideAt.toISOString()],
];

export function addOutboxCommands(program: Command, run: Run): void {
  const command = program
    .command('outbox')
    .description('events that a service committed: what cannot be published, and what a stream lost');

  withService(command.command('set-aside'))
    .description('list events that can never be published as they are, oldest first')
    .option('--limit <count>', 'most to list', parseLimit, 50)
    .action(run((session, options: ListOptions) => list(session, options)));

  withService(command.command('requeue [id]'))
    .description('have one of them, or all, published again once what was wrong has been put right')
    .option('--all', 'all of them, after asking')
    .action(run((session, id: string | undefined, options: RequeueOptions) => putBack(session, id, options)));

  withService(command.command('republish'))
    .description('count what was published since a time; with --send, publish it again to fill a lost stream')
    .requiredOption('--since <time>', 'time of the oldest event, with zone', parseTime)
    .option('--stream <name>', 'of this stream only')
    .option('--send', 'publish it, after asking')
    .action(run((session, options: RepublishOptions) => publishAgain(session, options)));

  withService(command.command('reconcile'))
    .description(
      `compare what was published with the streams; exit code ${EXIT.drift} when they miss something`,
    )
    .requiredOption('--since <time>', 'time of the oldest event, with zone', parseTime)
    .option('--until <time>', 'time before which events are compared (default: five minutes ago)', parseTime)
    .option('--repair', 'publish what is missing again, after asking')
    .action(run((session, options: ReconcileOptions) => reconcile(session, options)));
}

function withService(command: Command): Command {
  return command.requiredOption('--service <name>', 'service that the outbox belongs to');
}

async function list({ output }: Session, { service, limit }: ListOptions): Promise<void> {
  const events = await withOutbox(service, (outbox) => outbox.setAside(limit));
  output.result('outbox.set-aside', { events }, () =>
    output.table(events, SET_ASIDE_COLUMNS, 'Nothing is set aside.'),
  );
}

async function putBack(
  session: Session,
  id: string | undefined,
  { service, all = false }: RequeueOptions,
): Promise<void> {
  if ((id === undefined) !== all) {
    throw new InvalidRequestError('it is not clear which events are meant', 'Give one id, or --all.');
  }
  if (id !== undefined && !/^\d{1,15}$/.test(id)) {
    throw new InvalidRequestError(`${id} is not an id`, 'Take one that "outbox set-aside" lists.');
  }
  if (all) await session.confirm(`Have everything published again that ${service} set aside?`);
  const requeued = await withOutbox(service, async (outbox) => {
    if (id !== undefined) return outbox.requeue([Number(id)]);
    const events = await outbox.setAside(Number.MAX_SAFE_INTEGER);
    return outbox.requeue(events.map((event) => event.id));
  });
  if (id !== undefined && requeued === 0) {
    throw new NotFoundError(`${service} set no event ${id} aside`, 'See "outbox set-aside".');
  }
  session.output.result('outbox.requeue', { requeued }, () =>
    session.output.line(`${requeued} put back; the relay of ${service} publishes them.`),
  );
}

async function publishAgain(
  session: Session,
  { service, since, stream, send = false }: RepublishOptions,
): Promise<void> {
  const request = { since, matches: subjectsOf(stream) };
  await withOutbox(service, async (outbox) => {
    const counted = await outbox.count(request);
    const total = Object.values(counted.events).reduce((sum, count) => sum + count, 0);
    if (!send || total === 0) return printRepublish(session, counted, false);
    await session.confirm(`Publish ${total} events of ${service} again, from ${since.toISOString()} on?`);
    const done = await session.withServer((nc) => outbox.republish(nc, request));
    printRepublish(session, done, true);
  });
}

function printRepublish({ output }: Session, { events, published }: RepublishReport, isSent: boolean): void {
  output.result('outbox.republish', { events, published, sent: isSent }, () => {
    output.table(Object.entries(events), EVENT_COLUMNS, 'There is no such event.');
    if (isSent) output.line(`Published ${published} events again.`);
    else if (Object.keys(events).length > 0) output.line('Nothing was published; add --send.');
  });
}

async function reconcile(
  session: Session,
  { service, since, until = new Date(Date.now() - SETTLED_AFTER_MS), repair = false }: ReconcileOptions,
): Promise<ExitCode> {
  if (until <= since) throw new InvalidRequestError('the time has no length', 'Give an earlier --since.');
  if (repair) await session.confirm(`Publish events of ${service} again that their streams miss?`);
  const found = await withOutbox(service, (outbox) =>
    session.withServer((nc) => outbox.reconcile(nc, { since, until, mustRepair: repair })),
  );
  const { output } = session;
  const { compared, missing, repaired, unknown } = found;
  output.result('outbox.reconcile', found, () => {
    for (const id of missing) output.text(`missing: ${id}`);
    output.line(
      `${compared} events compared: ${missing.length} missing, ${repaired} published again, nothing known of ${unknown}.`,
    );
  });
  return missing.length > repaired || unknown > 0 ? EXIT.drift : EXIT.ok;
}

/** Services bring their databases' and frameworks' code along, which other commands need not wait for. */
const withOutbox: typeof withOutboxOf = async (service, work) =>
  (await import('../outbox-access.js')).withOutboxOf(service, work);

function subjectsOf(name: string | undefined): (subject: string) => boolean {
  if (name === undefined) return () => true;
  const stream = streams.find((candidate) => candidate.name === name);
  if (!stream) {
    const names = streams.map((candidate) => candidate.name).join(', ');
    throw new NotFoundError(`there is no stream ${name} of events`, `Give one of ${names}.`);
  }
  return (subject) => stream.subjects.some((pattern) => matchesSubject(pattern, subject));
}
