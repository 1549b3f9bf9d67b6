import {
  DeadLetters,
  InvalidRequestError,
  Redrives,
  type BulkResult,
  type DeadLetter,
  type DeadLetterDetail,
  type DeadLetterFilter,
  type DeadLetterGroup,
} from '@slipstream/operations';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Command } from 'commander';
import { readFile } from 'node:fs/promises';
import { describeFailure } from '../errors.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import type { Column, Output } from '../output.js';
import { parseLimit } from '../parse.js';
import type { Run } from '../program.js';
import type { Session } from '../session.js';

interface FilterOptions {
  readonly stream?: string;
  readonly consumer?: string;
  readonly class?: string;
  readonly code?: string;
}

interface ListOptions extends FilterOptions {
  readonly limit: number;
  readonly after?: string;
  readonly group?: boolean;
}

interface BulkOptions extends FilterOptions {
  readonly all?: boolean;
  readonly body?: string;
}

const LETTER_COLUMNS: readonly Column<DeadLetter>[] = [
  ['id', ({ id }) => id],
  ['consumer', ({ consumer }) => consumer],
  ['subject', ({ subject }) => subject],
  ['error', ({ errorCode, errorClass }) => `${errorClass} (${errorCode})`],
  ['message', ({ errorMessage }) => shorten(errorMessage)],
  ['attempts', ({ attempts }) => attempts],
  ['last at', ({ lastAt }) => lastAt],
];

const GROUP_COLUMNS: readonly Column<DeadLetterGroup>[] = [
  ['count', ({ count }) => count],
  ['stream', ({ stream }) => stream],
  ['consumer', ({ consumer }) => consumer],
  ['error', ({ errorCode, errorClass }) => `${errorClass} (${errorCode})`],
  ['last at', ({ lastAt }) => lastAt],
  ['newest', ({ newestId, newestMessage }) => `${newestId}: ${shorten(newestMessage)}`],
];

export function addDeadLetterCommands(program: Command, run: Run): void {
  const command = program.command('dlq').description('messages that a consumer could not process');

  withFilter(command.command('ls').description('list dead letters, oldest first'))
    .option('--group', 'count by consumer and error instead')
    .option('--limit <count>', 'most to list', parseLimit, 50)
    .option('--after <id>', 'begin after this one')
    .action(run((session, options: ListOptions) => list(session, options)));

  command
    .command('show <id>')
    .description('show one with its headers, body, error and stack')
    .action(
      run(async (session, id: string) => {
        const letter = await session.withServer((nc) => new DeadLetters(nc).show(id));
        session.output.result('dlq.show', letter, () => printDetail(session.output, letter));
      }),
    );

  withFilter(command.command('redrive [id]'))
    .description('send one, or all that match, to the consumer that failed and to no other')
    .option('--all', 'all that match the other options')
    .option('--body <file>', 'send the content of this file instead of the original body')
    .action(run((session, id: string | undefined, options: BulkOptions) => redrive(session, id, options)));

  withFilter(command.command('discard [id]'))
    .description('put one, or all that match, away into the stream OPERATIONS')
    .option('--all', 'all that match the other options')
    .action(run((session, id: string | undefined, options: BulkOptions) => discard(session, id, options)));
}

function withFilter(command: Command): Command {
  return command
    .option('--stream <name>', 'of this stream only')
    .option('--consumer <name>', 'of this consumer only')
    .option('--class <name>', 'with this class of error only')
    .option('--code <code>', 'with this code of error only');
}

async function list(session: Session, options: ListOptions): Promise<void> {
  const { output } = session;
  const filter = toFilter(options);
  if (options.group) {
    const groups = await session.withServer((nc) => new DeadLetters(nc).group(filter));
    output.result('dlq.groups', { groups }, () =>
      output.table(groups, GROUP_COLUMNS, 'There is no dead letter.'),
    );
    return;
  }
  const { limit, after } = options;
  const page = await session.withServer((nc) =>
    new DeadLetters(nc).list(filter, { limit, ...(after ? { after } : {}) }),
  );
  output.result('dlq.ls', page, () => {
    output.table(page.letters, LETTER_COLUMNS, 'There is no dead letter.');
    if (page.next) process.stderr.write(`There are more: add --after ${page.next}\n`);
  });
}

async function redrive(session: Session, id: string | undefined, options: BulkOptions): Promise<ExitCode> {
  requireTarget(id, options);
  const { operator } = session;
  if (id !== undefined) {
    const body = options.body === undefined ? undefined : await readFile(options.body);
    const outcome = await session.withServer((nc) => new Redrives(nc).redrive(id, operator, body));
    return printOne(session.output, 'dlq.redrive', id, outcome);
  }
  const filter = toFilter(options);
  await session.confirm(`Redrive all dead letters ${inWords(filter)}?`);
  return bulk(session, 'dlq.redrive', (nc) => new Redrives(nc).redriveAll(filter, operator));
}

async function discard(session: Session, id: string | undefined, options: BulkOptions): Promise<ExitCode> {
  requireTarget(id, options);
  const { operator } = session;
  const filter = toFilter(options);
  await session.confirm(`Discard ${id ?? `all dead letters ${inWords(filter)}`}?`);
  if (id === undefined) {
    return bulk(session, 'dlq.discard', (nc) => new Redrives(nc).discardAll(filter, operator));
  }
  const outcome = await session.withServer((nc) => new Redrives(nc).discard(id, operator));
  return printOne(session.output, 'dlq.discard', id, outcome);
}

function requireTarget(id: string | undefined, { all = false, body, ...filter }: BulkOptions): void {
  if ((id === undefined) !== all) {
    throw new InvalidRequestError('it is not clear which dead letters are meant', 'Give one id, or --all.');
  }
  if (id !== undefined && Object.keys(filter).length > 0) {
    throw new InvalidRequestError(`${Object.keys(filter).join(', ')} only go with --all`, 'Leave them out.');
  }
  if (all && body !== undefined) {
    throw new InvalidRequestError('--body goes with one dead letter only', 'Give its id instead of --all.');
  }
}

async function bulk(
  session: Session,
  kind: string,
  work: (nc: NatsConnection) => Promise<BulkResult>,
): Promise<ExitCode> {
  const { done, already, failures } = await session.withServer(work);
  const failed = failures.map(({ id, error }) => ({ id, ...describeFailure(error) }));
  const { output } = session;
  output.result(kind, { done, already, failed }, () => {
    output.line(`${done} done, ${already} were done before, ${failed.length} failed`);
    for (const { id, message, nextStep } of failed) output.line(`${id}: ${message}. ${nextStep}`);
  });
  return failed.length > 0 ? EXIT.failure : EXIT.ok;
}

function printOne(output: Output, kind: string, id: string, outcome: 'done' | 'already'): ExitCode {
  const isDone = outcome === 'done';
  const data = { done: isDone ? 1 : 0, already: isDone ? 0 : 1, failed: [] };
  output.result(kind, data, () => output.line(isDone ? `${id}: done` : `${id}: was done before`));
  return EXIT.ok;
}

function printDetail(output: Output, { stack, headers, body, ...letter }: DeadLetterDetail): void {
  for (const [name, value] of Object.entries(letter)) output.text(`${name.padEnd(15)}${value}`);
  output.line('headers');
  if (headers === 'gone') output.line('  (gone)');
  else for (const [name, values] of Object.entries(headers)) output.text(`  ${name}: ${values.join(', ')}`);
  output.line(`body (${body.kind})`);
  if (body.kind === 'json') output.text(JSON.stringify(body.value, null, 2));
  if (body.kind === 'text') output.text(body.text);
  if (body.kind === 'binary') output.line(body.base64);
  output.line('stack');
  output.text(stack);
}

function toFilter({ stream, consumer, class: errorClass, code: errorCode }: FilterOptions): DeadLetterFilter {
  return { stream, consumer, errorClass, errorCode };
}

function inWords(filter: DeadLetterFilter): string {
  const parts = Object.entries(filter).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name} ${value}`],
  );
  return parts.length > 0 ? `with ${parts.join(', ')}` : 'of every stream';
}

function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}
