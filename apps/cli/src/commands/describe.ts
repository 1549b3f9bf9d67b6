import {
  describeDurable,
  InvalidRequestError,
  type DescribedDurable,
  type DescribedService,
} from '@slipstream/operations';
import type { Command } from 'commander';
import type { Output } from '../output.js';
import type { Run } from '../program.js';

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
  const { durablesOf, services } = await import('../../../system.js');
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
