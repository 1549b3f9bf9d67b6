import {
  ServiceUnavailableException,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { catchError, throwError, type Observable } from 'rxjs';

/** SQLSTATE classes: connection exceptions, too many connections, shutdown and start of the server. */
const UNAVAILABLE_STATES = /^(08\w{3}|53300|57P0[123])$/;
const UNAVAILABLE_SYSTEM_CODES = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND']);
/** The driver gives these errors no code. */
const UNAVAILABLE_MESSAGES =
  /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered)/;

/** Answers 503 instead of 500 while the database is away: the request was not wrong and may be repeated. */
export class DatabaseUnavailableInterceptor implements NestInterceptor {
  intercept(_: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next
      .handle()
      .pipe(
        catchError((error: unknown) =>
          throwError(() =>
            isDatabaseUnavailable(error)
              ? new ServiceUnavailableException('the database is not available', { cause: error })
              : error,
          ),
        ),
      );
  }
}

export function isDatabaseUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, driverError } = error as { code?: unknown; driverError?: unknown };
  if (driverError instanceof Error && driverError !== error) return isDatabaseUnavailable(driverError);
  if (typeof code === 'string') return UNAVAILABLE_STATES.test(code) || UNAVAILABLE_SYSTEM_CODES.has(code);
  return UNAVAILABLE_MESSAGES.test(error.message);
}
