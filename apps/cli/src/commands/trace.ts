import { OrderLives, type OrderLife } from '@slipstream/operations';
import type { Command } from 'commander';
import { lifeTree } from '../life-tree.js';
import type { Output } from '../output.js';
import { parseTime } from '../parse.js';
import type { Run } from '../program.js';
import { serviceUrl } from '../service-url.js';

interface TraceOptions {
  readonly ordersUrl: string;
  readonly since?: Date;
}

export function addTraceCommand(program: Command, run: Run): void {
  program
    .command('trace <id>')
    .description('follow an order, named by its id or by that of one of its messages, through all services')
    .option(
      '--since <time>',
      'read the streams from then on (default: from shortly before the order)',
      parseTime,
    )
    .option('--orders-url <url>', 'order-service', serviceUrl('ORDER_SERVICE_URL'))
    .action(
      run((session, id: string, { ordersUrl, since }: TraceOptions) =>
        session.withServer(async (nc) => {
          const { readersOfSystem } = await import('../../../system.js');
          const lives = new OrderLives(nc, { readers: readersOfSystem(), ordersUrl, since });
          const life = await lives.find(id);
          session.output.result('trace', life, () => print(session.output, life));
        }),
      ),
    );
}

function print(output: Output, life: OrderLife): void {
  const { orderId, traceIds } = life;
  output.text(orderId === null ? 'a message that names no order' : `order ${orderId}: ${statusOf(life)}`);
  for (const traceId of traceIds) output.text(`trace ${traceId}`);
  for (const line of lifeTree(life)) output.text(line);
  for (const note of life.notes) output.text(note);
}

function statusOf({ order, notes }: OrderLife): string {
  if (order) return `${order.status}${order.reason === null ? '' : ` (${order.reason})`}`;
  // A note says why order-service could not be asked.
  return notes.length > 0 ? 'status unknown' : 'not registered';
}
