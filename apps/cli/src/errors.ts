import { PermissionViolationError, RequestError } from '@nats-io/transport-node';
import { JetStreamError } from '@nats-io/jetstream';
import { CredentialsError, PublishError } from '@slipstream/jetstream';
import { OperationError } from '@slipstream/operations';
import { redact } from '@slipstream/redaction';
import { toPrintable } from './output.js';

const LONGEST_ADDRESS = 500;

/** No server answers at the address, or it does not let us in. */
export class UnreachableError extends OperationError {
  readonly code = 'CLI_SERVER_UNREACHABLE';

  constructor(server: string, cause: unknown) {
    super(
      `NATS at ${redact(server, LONGEST_ADDRESS)} cannot be used: ${reasonOf(cause)}`,
      'Start it with "npm start", or name another with --server or NATS_URL.',
      { cause },
    );
  }
}

/** No PostgreSQL answers at `DATABASE_URL`, or it does not let us in. */
export class DatabaseUnreachableError extends OperationError {
  readonly code = 'CLI_DATABASE_UNREACHABLE';

  /** @param cause its message may hold an address, never a password */
  constructor(cause: unknown) {
    super(
      `the database cannot be used: ${reasonOf(cause)}`,
      'Name the one of the services with DATABASE_URL.',
      { cause },
    );
  }
}

/** What is told of a failure. */
export interface Failure {
  readonly code: string;
  readonly message: string;
  /** What to do, in a sentence; empty when nobody knows. */
  readonly nextStep: string;
}

export function describeFailure(error: unknown): Failure {
  const { code, message, nextStep } = explain(error);
  return { code, message: toPrintable(message), nextStep: toPrintable(nextStep) };
}

function explain(error: unknown): Failure {
  if (error instanceof OperationError) {
    return { code: error.code, message: error.message, nextStep: error.nextStep };
  }
  if (error instanceof CredentialsError) {
    return { code: error.code, message: error.message, nextStep: 'See docs/reference/credentials.md.' };
  }
  const violation = findCause(error, PermissionViolationError);
  if (violation) {
    return {
      code: 'CLI_NOT_PERMITTED',
      message: `the user may not ${violation.operation === 'publish' ? 'publish on' : 'subscribe to'} ${violation.subject}`,
      nextStep: 'Grant it, or take another user with --creds.',
    };
  }
  const request = findCause(error, RequestError);
  if (request?.isNoResponders()) {
    return {
      code: 'CLI_NO_JETSTREAM',
      message: 'the server does not answer for JetStream',
      nextStep: 'Enable JetStream for the server and the account.',
    };
  }
  return {
    code: codeOf(error),
    message: error instanceof Error ? error.message : String(error),
    nextStep: '',
  };
}

function codeOf(error: unknown): string {
  if (error instanceof JetStreamError || error instanceof PublishError) return 'CLI_SERVER_REFUSED';
  // Not by its class: that comes with the frameworks of the services, which most commands need not wait for.
  const { code } = Object(error) as { code?: unknown };
  return code === 'ENVIRONMENT_INVALID' ? code : 'CLI_FAILED';
}

function findCause<T extends Error>(error: unknown, type: new (...args: never[]) => T): T | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof type) return cause;
  }
}

function reasonOf(error: unknown): string {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code } = cause as { code?: unknown };
    if (code === 'ECONNREFUSED') return 'connection refused';
    if (code === 'ENOTFOUND') return 'the host is not known';
    if (code === 'ENOENT') return cause.message;
  }
  return error instanceof Error ? error.message.toLowerCase() : String(error);
}
