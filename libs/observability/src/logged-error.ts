import { redact } from '@slipstream/redaction';

const MAX_MESSAGE = 1_024;
const MAX_STACK = 4_096;
const MAX_CAUSES = 3;

/** What a log line says of an error. Its other properties are left out: drivers keep queries, values and requests there. */
export interface LoggedError {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly stack?: string;
  readonly cause?: LoggedError;
}

export function toLoggedError(error: unknown, causes = MAX_CAUSES): LoggedError {
  if (!(error instanceof Error)) return { name: typeof error, message: redact(String(error), MAX_MESSAGE) };
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  return {
    name: error.name,
    message: redact(messageOf(error), MAX_MESSAGE),
    ...(typeof code === 'string' && { code }),
    ...(error.stack && { stack: redact(stackOf(error), MAX_STACK) }),
    ...(cause instanceof Error && causes > 0 && { cause: toLoggedError(cause, causes - 1) }),
  };
}

/** PostgreSQL tells the value that it could not take (SQLSTATE class 22), in quotes or after a colon. */
function messageOf({ message, ...rest }: Error): string {
  const { code, driverError } = rest as { code?: unknown; driverError?: { code?: unknown } };
  const state = driverError?.code ?? code;
  if (typeof state !== 'string' || !/^22\w{3}$/.test(state)) return message;
  return message.replace(/".*"/s, '[redacted]').replace(/:.*/s, '');
}

/** The stack begins with the message. */
function stackOf(error: Error): string {
  return (error.stack ?? '').replace(error.message, messageOf(error));
}
