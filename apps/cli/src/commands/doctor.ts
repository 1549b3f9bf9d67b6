import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { planTopology } from '@slipstream/jetstream';
import {
  askMonitor,
  askServer,
  askServices,
  diagnose,
  type Finding,
  type SystemFacts,
} from '@slipstream/operations';
import type { Command } from 'commander';
import { EXIT, type ExitCode } from '../exit-codes.js';
import type { Column } from '../output.js';
import type { Run } from '../program.js';
import type { Session } from '../session.js';

interface DoctorOptions {
  readonly monitorUrl: string;
  readonly metricsUrls: string;
}

/** Where services are unless the environment says otherwise. */
const SERVICES: readonly (readonly [variable: string, port: number])[] = [
  ['ORDER_SERVICE_URL', 3001],
  ['PAYMENT_SERVICE_URL', 3002],
  ['INVENTORY_SERVICE_URL', 3003],
  ['AUDIT_SERVICE_URL', 3004],
];

const COLUMNS: readonly Column<Finding>[] = [
  ['check', ({ check }) => check],
  ['verdict', ({ verdict }) => verdict],
  ['found', ({ found }) => found],
  ['next step', ({ nextStep }) => nextStep],
];

export function addDoctorCommand(program: Command, run: Run): void {
  const urls = SERVICES.map(([variable, port]) => process.env[variable] || `http://localhost:${port}`);
  program
    .command('doctor')
    .description(
      `say what endangers what the system promises: versions, replicas, syncs, windows, waits, drift; exit code ${EXIT.drift} when a promise does not hold`,
    )
    .option(
      '--monitor-url <url>',
      'HTTP monitoring of a NATS server',
      process.env['NATS_MONITOR_URL'] || 'http://localhost:8222',
    )
    .option('--metrics-urls <urls>', 'services, separated by commas', urls.join(','))
    .action(run(examine));
}

async function examine(session: Session, options: DoctorOptions): Promise<ExitCode> {
  const findings = diagnose(await gather(session, options));
  session.output.result('doctor', { findings }, () => session.output.table(findings, COLUMNS, ''));
  return findings.some(({ verdict }) => verdict === 'problem') ? EXIT.drift : EXIT.ok;
}

async function gather(session: Session, { monitorUrl, metricsUrls }: DoctorOptions): Promise<SystemFacts> {
  // The services' declarations bring databases' and frameworks' code along, which other commands need not wait for.
  const { askDatabase } = await import('../database-access.js');
  const [[server, drift], monitor, services, database] = await Promise.all([
    session.withServer(async (nc) => [await askServer(nc), await differences(nc)] as const),
    askMonitor(monitorUrl),
    askServices(metricsUrls.split(',')),
    askDatabase(),
  ]);
  return { ...server, monitor, services, database, drift };
}

async function differences(nc: NatsConnection): Promise<SystemFacts['drift']> {
  const { declareFor } = await import('../declared.js');
  const manager = await jetstreamManager(nc, { checkAPI: false });
  return planTopology(manager, await declareFor(manager));
}
