import {
  deadLetterStream,
  describeDelivery,
  describeRetryPolicy,
  type ConsumerPlan,
} from '@slipstream/jetstream';
import { InvalidRequestError } from '@slipstream/operations';
import type { Command } from 'commander';
import type { Output } from '../output.js';
import type { Run } from '../program.js';

interface DescribedDurable {
  readonly durable: string;
  readonly stream: string;
  readonly subjects: readonly string[];
  /** How messages come and from where on, in words. */
  readonly mode: string;
  /** What is handled at the same time by one process, in words. */
  readonly delivery: string;
  /** Attempts, delays and what ends them, in words. */
  readonly retry: string;
  readonly deadLetters: { readonly stream: string; readonly subject: string };
  readonly ackWaitMs: number;
  readonly timeoutMs: number;
}

interface DescribedService {
  readonly name: string;
  readonly durables: readonly DescribedDurable[];
}

export function addDescribeCommand(program: Command, run: Run): void {
  program
    .command('describe [service]')
    .description('say what services handle, how they retry and where dead letters go; needs no server')
    .action(
      run(async (session, name?: string) => {
        const described = await describeServices(name);
        session.output.result('describe', { services: described }, () => print(session.output, described));
      }),
    );
}

async function describeServices(name: string | undefined): Promise<DescribedService[]> {
  const { durablesOf, services } = await import('../declared.js');
  const chosen = services.filter((service) => name === undefined || service.name === name);
  if (chosen.length === 0) {
    const known = services.map((service) => service.name).join(', ');
    throw new InvalidRequestError(`there is no service "${name}"`, `Take one of ${known}.`);
  }
  return chosen.map((service) => ({
    name: service.name,
    durables: durablesOf(service).map(describeDurable),
  }));
}

function describeDurable({ stream, options, routes }: ConsumerPlan): DescribedDurable {
  return {
    durable: options.durable,
    stream: stream.name,
    subjects: routes.map(({ pattern }) => pattern),
    mode: describeDelivery(options),
    delivery: describeHandling(options),
    retry: describeRetryPolicy(options),
    deadLetters: { stream: deadLetterStream(stream.name), subject: stream.deadLetterSubject },
    ackWaitMs: options.ackWaitMs,
    timeoutMs: options.timeoutMs,
  };
}

function describeHandling(options: ConsumerPlan['options']): string {
  const { concurrency, batch, raw, orderBy, partitions } = options;
  const unit = raw ? 'raw message' : 'message';
  const amount = batch
    ? `${counted(concurrency, 'batch', 'batches')} of up to ${counted(batch.size, unit, `${unit}s`)} at a time, ` +
      `waiting up to ${batch.lingerMs} ms for more`
    : `${counted(concurrency, unit, `${unit}s`)} at a time`;
  return orderBy ? `${amount}, in order per key, in ${partitions} partitions` : amount;
}

function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}

function print(output: Output, described: readonly DescribedService[]): void {
  for (const { name, durables } of described) {
    output.line(name);
    for (const durable of durables) printDurable(output, durable);
  }
}

function printDurable(output: Output, described: DescribedDurable): void {
  const { durable, stream, subjects, mode, delivery, retry, deadLetters, timeoutMs } = described;
  output.line(`  ${durable}`);
  output.line(`    reads         ${subjects.join(', ')} from ${stream}`);
  output.line(`    comes         ${mode}`);
  output.line(`    handles       ${delivery}, each for at most ${timeoutMs / 1_000} s`);
  output.line(`    on errors     ${retry}`);
  output.line(`    dead letters  ${deadLetters.subject} in ${deadLetters.stream}`);
}
