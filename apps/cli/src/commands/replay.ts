import { Replays, type ReplayCount, type ReplayRequest } from '@slipstream/operations';
import type { Command } from 'commander';
import { parsePosition } from '../parse.js';
import type { Run } from '../program.js';
import type { Session } from '../session.js';

interface ReplayOptions {
  readonly from?: number | Date;
  readonly to?: number | Date;
  readonly send?: boolean;
  readonly run?: string;
}

export function addReplayCommand(program: Command, run: Run): void {
  program
    .command('replay <stream> <consumer>')
    .description('count what a range of a stream has for one consumer; with --send, send it that once more')
    .option('--from <position>', 'first sequence, or a time with zone', parsePosition)
    .option('--to <position>', 'last sequence, or a time with zone', parsePosition)
    .option('--send', 'send it, after asking')
    .option('--run <name>', 'name of the replay; the same name continues one that was interrupted')
    .action(
      run((session, stream: string, consumer: string, { from, to, ...options }: ReplayOptions) =>
        replay(session, { stream, consumer, from, to }, options),
      ),
    );
}

async function replay(
  session: Session,
  request: ReplayRequest,
  { send = false, run = `r${Date.now().toString(36)}` }: ReplayOptions,
): Promise<void> {
  const { output } = session;
  await session.withServer(async (nc) => {
    const replays = new Replays(nc);
    const count = await replays.count(request);
    if (!send || count.messages === 0) {
      output.result('replay', { ...count, sent: false, run: null, already: 0 }, () => {
        output.line(inWords(count, request));
        if (count.messages > 0) output.line('Nothing was sent; add --send.');
      });
      return;
    }
    await session.confirm(`${inWords(count, request)} Send them?`);
    const result = await replays.send(request, session.operator, run);
    output.result('replay', { ...result, sent: true }, () =>
      output.line(
        `Sent ${result.messages - result.already} messages as run ${run}; ${result.already} were sent before.`,
      ),
    );
  });
}

function inWords(count: ReplayCount, { stream, consumer }: ReplayRequest): string {
  if (count.messages === 0) return `The range has no message of ${stream} for ${consumer}.`;
  return (
    `The range has ${count.messages} messages of ${stream} for ${consumer}, ${count.bytes} bytes, ` +
    `sequences ${count.firstSequence} to ${count.lastSequence}.`
  );
}
