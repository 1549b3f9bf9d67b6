import {
  ConsumerReviews,
  NotFoundError,
  Replays,
  type ConsumerReview,
  type MissingMessage,
} from '@slipstream/operations';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Command } from 'commander';
import { durablesOf, requireService } from '../../../system.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import type { withInboxOf } from '../inbox-access.js';
import type { Column } from '../output.js';
import { parsePosition } from '../parse.js';
import type { Run } from '../program.js';
import type { Session } from '../session.js';

interface ReconcileOptions {
  readonly service: string;
  readonly consumer?: string;
  readonly since: number | Date;
  readonly until?: number | Date;
  readonly repair?: boolean;
}

interface Durable {
  readonly stream: string;
  readonly consumer: string;
}

interface Reconciled extends Durable, ConsumerReview {
  /** How many of the missing ones were sent again. */
  readonly repaired: number;
}

const COLUMNS: readonly Column<Reconciled>[] = [
  ['stream', ({ stream }) => stream],
  ['consumer', ({ consumer }) => consumer],
  ['compared', ({ compared }) => compared],
  ['missing', ({ missing }) => missing.length],
  ['sent again', ({ repaired }) => repaired],
  ['dead letters', ({ deadLettered }) => deadLettered],
  ['too old to tell', ({ unknown }) => unknown],
  ['waiting', ({ waiting }) => waiting],
];

export function addInboxCommands(program: Command, run: Run): void {
  const command = program
    .command('inbox')
    .description('messages that a service has dealt with, by its own database');

  command
    .command('reconcile')
    .description(
      `compare what consumers have acked with what their service knows; exit code ${EXIT.drift} when it knows less`,
    )
    .requiredOption('--service <name>', 'service that the inbox belongs to')
    .option('--consumer <name>', 'one durable of it (default: all)')
    .requiredOption('--since <position>', 'first sequence, or a time with zone', parsePosition)
    .option('--until <position>', 'last sequence, or a time with zone', parsePosition)
    .option('--repair', 'send what is missing to its consumer again, after asking')
    .action(run((session, options: ReconcileOptions) => reconcile(session, options)));
}

async function reconcile(session: Session, options: ReconcileOptions): Promise<ExitCode> {
  const { service, since: from, until: to, repair = false } = options;
  const durables = findDurables(options);
  if (repair) await session.confirm(`Send messages to ${service} again that it knows nothing of?`);
  const consumers = await withInbox(service, (inbox) =>
    session.withServer(async (nc) => {
      const reviews = new ConsumerReviews(nc);
      const found: Reconciled[] = [];
      for (const durable of durables) {
        const { stream, consumer } = durable;
        const review = await reviews.review({ ...durable, from, to }, inbox.recall(stream, consumer));
        if (repair) await sendAgain(nc, session, durable, review.missing);
        found.push({ ...durable, ...review, repaired: repair ? review.missing.length : 0 });
      }
      return found;
    }),
  );
  const { output } = session;
  output.result('inbox.reconcile', { consumers }, () => {
    output.table(consumers, COLUMNS, '');
    for (const { stream, consumer, missing } of consumers) {
      for (const { sequence, subject } of missing) {
        output.text(`missing: ${stream} ${sequence} ${subject} for ${consumer}`);
      }
    }
  });
  return consumers.some(({ missing, repaired }) => missing.length > repaired) ? EXIT.drift : EXIT.ok;
}

/** @throws InvalidRequestError, NotFoundError */
function findDurables({ service, consumer }: ReconcileOptions): Durable[] {
  const all = durablesOf(requireService(service)).map(({ stream, options }) => ({
    stream: stream.name,
    consumer: options.durable,
  }));
  const wanted = all.filter((durable) => consumer === undefined || durable.consumer === consumer);
  if (wanted.length > 0) return wanted;
  const names = all.map((durable) => durable.consumer).join(', ');
  throw new NotFoundError(`${service} has no durable ${consumer}`, `Give one of ${names}.`);
}

async function sendAgain(
  nc: NatsConnection,
  { operator }: Session,
  durable: Durable,
  missing: readonly MissingMessage[],
): Promise<void> {
  const replays = new Replays(nc);
  const name = `inbox-${Date.now().toString(36)}`;
  for (const { from, to } of rangesOf(missing)) await replays.send({ ...durable, from, to }, operator, name);
}

/** Neighbours are sent together. */
function rangesOf(missing: readonly MissingMessage[]): { from: number; to: number }[] {
  const ranges: { from: number; to: number }[] = [];
  for (const { sequence } of missing) {
    const last = ranges.at(-1);
    if (last?.to === sequence - 1) last.to = sequence;
    else ranges.push({ from: sequence, to: sequence });
  }
  return ranges;
}

/** Services bring their databases' and frameworks' code along, which other commands need not wait for. */
const withInbox: typeof withInboxOf = async (service, work) =>
  (await import('../inbox-access.js')).withInboxOf(service, work);
