import type { MessageHandler } from '@nestjs/microservices';
import { InvalidHandlerError } from '../errors.js';
import type { RequestOptions } from '../message-pattern.decorator.js';
import { isValidPattern, overlaps } from '../subject.js';
import type { StreamDefinition } from '../topology/stream-definition.js';

/** One request handler as Nest registered it; `subject` is the pattern as Nest's clients write it. */
export interface RequestRegistration {
  readonly subject: string;
  readonly handler: MessageHandler;
  readonly options: RequestOptions;
}

export interface RequestPlan {
  readonly subject: string;
  readonly handler: MessageHandler;
  readonly options: Required<RequestOptions>;
}

/**
 * Completes the options and checks that the declarations can work.
 * @throws InvalidHandlerError naming what to change
 */
export function planRequests(
  registrations: readonly RequestRegistration[],
  { service, streams }: { readonly service: string; readonly streams: readonly StreamDefinition[] },
): RequestPlan[] {
  const plans = registrations.map(({ subject, handler, options }) => ({
    subject,
    handler,
    options: {
      queueGroup: options.queueGroup ?? service,
      concurrency: options.concurrency ?? 64,
      timeoutMs: options.timeoutMs ?? 20_000,
    },
  }));
  for (const [index, plan] of plans.entries()) {
    const problems = [
      ...findOptionProblems(plan),
      ...findStreamProblems(plan, streams),
      ...findOverlaps(plan, plans.slice(0, index)),
    ];
    if (problems.length > 0) {
      throw new InvalidHandlerError(`request handler of "${plan.subject}": ${problems.join('; ')}`);
    }
  }
  return plans;
}

function findOptionProblems({ subject, options }: RequestPlan): string[] {
  const problems: string[] = [];
  if (!isValidPattern(subject))
    problems.push('it is no NATS subject; write it without spaces and empty parts');
  if (!/^[^\s*>]+$/.test(options.queueGroup)) {
    problems.push(`queueGroup "${options.queueGroup}" must be a name without spaces and wildcards`);
  }
  for (const field of ['concurrency', 'timeoutMs'] as const) {
    if (!(Number.isInteger(options[field]) && options[field] > 0)) {
      problems.push(`${field} must be a whole number above 0`);
    }
  }
  return problems;
}

/** A stream answers everything that is sent to its subjects, and sooner than the handler. */
function findStreamProblems({ subject }: RequestPlan, streams: readonly StreamDefinition[]): string[] {
  return streams
    .filter(({ subjects, deadLetterSubject }) =>
      [...subjects, deadLetterSubject].some((pattern) => pattern !== '' && overlaps(pattern, subject)),
    )
    .map(
      ({ name }) =>
        `stream ${name} holds the subject, and its acknowledgement would be taken for the answer; choose another`,
    );
}

/** Both would answer, and whoever asked would take the first. */
function findOverlaps({ subject }: RequestPlan, others: readonly RequestPlan[]): string[] {
  return others
    .filter((other) => overlaps(other.subject, subject))
    .map((other) =>
      other.subject === subject
        ? 'it is declared twice; remove one of the handlers'
        : `it overlaps with "${other.subject}"; make one of the subjects narrower`,
    );
}
