import {
  diagnose,
  gatherFacts,
  InvalidRequestError,
  type Finding,
  type SystemFacts,
} from '@slipstream/operations';
import type { Command } from 'commander';
import { SERVICE_URL_VARIABLES } from '../../../service-urls.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import type { Column } from '../output.js';
import type { Run } from '../program.js';
import { serviceUrl } from '../service-url.js';
import type { Session } from '../session.js';

interface DoctorOptions {
  readonly monitorUrl: string;
  readonly serviceUrls: string;
}

const COLUMNS: readonly Column<Finding>[] = [
  ['check', ({ check }) => check],
  ['verdict', ({ verdict }) => verdict],
  ['found', ({ found }) => found],
  ['next step', ({ nextStep }) => nextStep],
];

export function addDoctorCommand(program: Command, run: Run): void {
  const urls = SERVICE_URL_VARIABLES.map(serviceUrl);
  program
    .command('doctor')
    .description(
      `list what puts the guarantees of the system at risk, and what to do about it; exit code ${EXIT.drift} when one does not hold`,
    )
    .option(
      '--monitor-url <url>',
      'HTTP monitoring of a NATS server',
      process.env['NATS_MONITOR_URL'] || 'http://localhost:8222',
    )
    .option('--service-urls <urls>', 'base URLs of the services, separated by commas', urls.join(','))
    .action(run(examine));
}

async function examine(session: Session, options: DoctorOptions): Promise<ExitCode> {
  const findings = diagnose(await gather(session, options));
  session.output.result('doctor', { findings }, () => session.output.table(findings, COLUMNS, ''));
  return findings.some(({ verdict }) => verdict === 'problem') ? EXIT.drift : EXIT.ok;
}

async function gather(session: Session, { monitorUrl, serviceUrls }: DoctorOptions): Promise<SystemFacts> {
  const [monitor = ''] = baseUrlsOf('the monitoring', monitorUrl);
  const services = baseUrlsOf('services', serviceUrls);
  // The services' declarations bring databases' and frameworks' code along, which other commands need not wait for.
  const [{ askDatabase }, { declareFor }] = await Promise.all([
    import('../database-access.js'),
    import('../../../system.js'),
  ]);
  return session.withServer((nc) =>
    gatherFacts(nc, { monitorUrl: monitor, serviceUrls: services, declare: declareFor, askDatabase }),
  );
}

/** @throws InvalidRequestError, which does not repeat a password */
function baseUrlsOf(what: string, text: string): string[] {
  const urls = text.split(',').map((url) => url.trim().replace(/\/+$/, ''));
  return urls.filter(Boolean).map((url) => {
    const { protocol = '', username = '', password = '' } = URL.parse(url) ?? {};
    if (!/^https?:$/.test(protocol))
      throw new InvalidRequestError(
        `the address of ${what} is no URL`,
        'Give such as http://localhost:8222.',
      );
    if (username || password)
      throw new InvalidRequestError(`the address of ${what} holds a password`, 'Give one without.');
    return url;
  });
}
