import { JetStreamError } from '@nats-io/jetstream';
import {
  ClosedConnectionError,
  ConnectionError,
  PermissionViolationError,
  RequestError,
  TimeoutError,
} from '@nats-io/transport-node';
import { ProblemException } from '@slipstream/bootstrap';
import {
  BodyGoneError,
  InvalidRequestError,
  NoRedriveConsumerError,
  NotFoundError,
  OperationError,
  ServerTooOldForOperationError,
  ServiceUnavailableError,
  TooLargeError,
  UnknownOriginError,
} from '@slipstream/operations';

type ErrorClass = abstract new (...args: never[]) => Error;

const STATUS: readonly (readonly [ErrorClass, number])[] = [
  [NotFoundError, 404],
  [InvalidRequestError, 400],
  [NoRedriveConsumerError, 409],
  [UnknownOriginError, 409],
  [BodyGoneError, 409],
  [TooLargeError, 422],
  [ServerTooOldForOperationError, 501],
  [ServiceUnavailableError, 502],
];

const BROKER_ERRORS = [TimeoutError, ConnectionError, ClosedConnectionError, RequestError];

/** What an operator is told of an error: its message, and what to do. */
export function toOperationProblem(error: unknown): unknown {
  if (error instanceof OperationError) {
    const status = STATUS.find(([type]) => error instanceof type)?.[1] ?? 500;
    return new ProblemException(status, {
      type: `urn:slipstream:${error.code}`,
      detail: sentences(error.message, error.nextStep),
    });
  }
  const violation = findCause(error, PermissionViolationError);
  if (violation) {
    return new ProblemException(502, {
      detail: `The user of the console may not ${violation.operation} ${violation.subject}; grant it, or give the console another user.`,
      cause: error,
    });
  }
  if (BROKER_ERRORS.some((type) => error instanceof type)) {
    return new ProblemException(503, {
      // Without its cause, which would be in the log for every open page every few seconds.
      detail: 'NATS does not answer.',
      headers: { 'Retry-After': '2' },
    });
  }
  if (error instanceof JetStreamError) {
    return new ProblemException(502, { detail: `NATS refused it: ${error.message}`, cause: error });
  }
  return error;
}

function findCause<T extends Error>(error: unknown, type: new (...args: never[]) => T): T | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof type) return cause;
  }
}

function sentences(message: string, nextStep: string): string {
  return `${/[.!?]$/.test(message) ? message : `${message}.`} ${nextStep}`.trim();
}
