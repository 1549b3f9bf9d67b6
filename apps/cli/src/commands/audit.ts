import {
  AuditReview,
  type AuditProblem,
  type AuditServices,
  type ReplayDifference,
} from '@slipstream/operations';
import type { Command } from 'commander';
import { EXIT, type ExitCode } from '../exit-codes.js';
import type { Column } from '../output.js';
import type { Run } from '../program.js';
import { serviceUrl } from '../service-url.js';
import type { Session } from '../session.js';

const PROBLEMS: readonly Column<AuditProblem>[] = [
  ['stream', ({ stream }) => stream],
  ['what', ({ kind }) => kind],
  ['segment', ({ segment }) => segment],
  ['record', ({ record }) => record],
  ['how it shows', ({ detail }) => detail],
];

const DIFFERENCES: readonly Column<ReplayDifference>[] = [
  ['order', ({ orderId }) => orderId],
  ['field', ({ field }) => field],
  ['log', ({ log }) => log],
  ['order-service', ({ orders }) => orders],
];

export function addAuditCommands(program: Command, run: Run): void {
  const audit = program
    .command('audit')
    .description('have the audit log prove itself, and orders with it')
    .option('--audit-url <url>', 'audit-service', serviceUrl('AUDIT_SERVICE_URL'))
    .option('--orders-url <url>', 'order-service', serviceUrl('ORDER_SERVICE_URL'));

  audit
    .command('verify')
    .description('read the whole log again; exit code 3 when it is not what was written')
    .action(run((session) => verify(session, new AuditReview(audit.opts<AuditServices>()))));

  audit
    .command('replay')
    .description('rebuild every order from the log alone; exit code 3 when order-service tells another story')
    .action(run((session) => replay(session, new AuditReview(audit.opts<AuditServices>()))));
}

async function verify({ output }: Session, review: AuditReview): Promise<ExitCode> {
  const found = await review.verify();
  output.result('audit.verify', found, () => {
    if (!found.ok) output.table(found.problems, PROBLEMS, '');
    output.line(`${found.records} records in ${found.segments} segments, ${found.problems.length} problems.`);
  });
  return found.ok ? EXIT.ok : EXIT.drift;
}

async function replay({ output }: Session, review: AuditReview): Promise<ExitCode> {
  const { orders, differences } = await review.compareReplay();
  output.result('audit.replay', { orders, differences }, () => {
    if (differences.length > 0) output.table(differences, DIFFERENCES, '');
    output.line(`${orders} orders rebuilt from the log, ${differences.length} differences.`);
  });
  return differences.length === 0 ? EXIT.ok : EXIT.drift;
}
