import { deliverSubjectOf } from '../delivery-options.js';
import { InvalidHandlerError } from '../errors.js';
import { serverPlans } from './keyed-plan.js';
import type { ConsumerPlan } from './routes.js';

/**
 * Checks what the durables of a process must not have in common.
 * @throws InvalidHandlerError naming what to change
 */
export function assertNoConflicts(plans: readonly ConsumerPlan[]): void {
  const takers = new Map<string, string>();
  for (const plan of plans) {
    for (const claim of claimsOf(plan)) {
      const other = takers.get(claim);
      if (other !== undefined) {
        throw new InvalidHandlerError(
          `durables "${other}" and "${plan.options.durable}" both take ${claim}, so each would get messages of the ` +
            'other; rename one of them',
        );
      }
      takers.set(claim, plan.options.durable);
    }
  }
}

/** Consumers on the server, which `orderBy` makes several of, and the subject that a server pushes to. */
function claimsOf(plan: ConsumerPlan): string[] {
  const { stream, options } = plan;
  const consumers = serverPlans(plan).map(
    ({ options: { durable } }) => `consumer "${durable}" of stream ${stream.name}`,
  );
  return options.delivery === 'push'
    ? [...consumers, `deliverSubject "${deliverSubjectOf(stream.name, options)}"`]
    : consumers;
}
