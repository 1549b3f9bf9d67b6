import { InvalidRequestError, Inventory, type ConsumerOverview } from '@slipstream/operations';
import type { Command } from 'commander';
import { parseDuration, parseTime } from '../parse.js';
import type { Run } from '../program.js';
import type { Column, Output } from '../output.js';

interface PauseOptions {
  readonly for?: number;
  readonly until?: Date;
}

const COLUMNS: readonly Column<ConsumerOverview>[] = [
  ['stream', ({ stream }) => stream],
  ['consumer', ({ name }) => name],
  ['lag', ({ lag }) => lag],
  ['unacked', ({ ackPending }) => ackPending],
  ['redelivered', ({ redelivered }) => redelivered],
  ['paused until', ({ pausedUntil }) => pausedUntil],
  ['filters', ({ filters }) => filters.join(' ')],
];

export function addConsumerCommands(program: Command, run: Run): void {
  program
    .command('consumers [stream]')
    .description('list consumers: how far behind, unacked, redelivered, paused')
    .action(
      run(async (session, stream?: string) => {
        const consumers = await session.withServer((nc) => new Inventory(nc).consumers(stream));
        session.output.result('consumers', consumers, () =>
          session.output.table(consumers, COLUMNS, 'There is no consumer.'),
        );
      }),
    );

  program
    .command('pause <stream> <consumer>')
    .description('have the server deliver nothing to a consumer for a while')
    .option('--for <duration>', 'how long: 90s, 10min, 2h or 1d', parseDuration)
    .option('--until <time>', 'until when, with zone', parseTime)
    .action(
      run(async (session, stream: string, consumer: string, options: PauseOptions) => {
        const until = endOf(options);
        const paused = await session.withServer((nc) => new Inventory(nc).pause(stream, consumer, until));
        print(session.output, paused);
      }),
    );

  program
    .command('resume <stream> <consumer>')
    .description('end a pause')
    .action(
      run(async (session, stream: string, consumer: string) => {
        print(session.output, await session.withServer((nc) => new Inventory(nc).resume(stream, consumer)));
      }),
    );
}

function endOf({ for: durationMs, until }: PauseOptions): Date {
  if ((durationMs === undefined) === (until === undefined)) {
    throw new InvalidRequestError('the end of the pause is not clear', 'Give one of --for and --until.');
  }
  return until ?? new Date(Date.now() + (durationMs ?? 0));
}

function print(output: Output, consumer: ConsumerOverview): void {
  output.result('consumer', consumer, () =>
    output.line(
      consumer.pausedUntil
        ? `${consumer.name} on ${consumer.stream} is paused until ${consumer.pausedUntil}; ${consumer.lag} messages wait.`
        : `${consumer.name} on ${consumer.stream} is not paused; ${consumer.lag} messages wait.`,
    ),
  );
}
