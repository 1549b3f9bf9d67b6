import { Catch, type ArgumentsHost, type RpcExceptionFilter } from '@nestjs/common';
import { throwError, type Observable } from 'rxjs';
import { ErrorReplacedError } from '../errors.js';
import { toErrorBody } from '../requests/request-error.js';
import { RequestContext } from '../requests/request.context.js';

/**
 * Hands the thrown error on unchanged. Nest's own filter replaces every error by the object
 * `{status: 'error', message: 'Internal server error'}`, and the settlement could not tell a retryable one from a
 * terminal one. Filters declared on methods and classes still come first. An error of a request has somebody to be told,
 * and becomes what they may know.
 */
@Catch()
export class ErrorIdentityFilter implements RpcExceptionFilter {
  catch(error: unknown, host: ArgumentsHost): Observable<never> {
    const context: unknown = host.switchToRpc().getContext();
    return throwError(() =>
      context instanceof RequestContext ? toErrorBody(error, context.subject) : error,
    );
  }
}

/** What the settlement is to know of a rejection: the error itself, or that Nest's own filter has replaced it. */
export function identify(error: unknown): unknown {
  return isReplacement(error) ? new ErrorReplacedError(error) : error;
}

/** `{status: 'error', message: 'Internal server error'}`, which is what `BaseRpcExceptionFilter` makes of an unknown error. */
function isReplacement(error: unknown): boolean {
  if (typeof error !== 'object' || error === null || error instanceof Error) return false;
  const { status, message } = error as { status?: unknown; message?: unknown };
  return status === 'error' && message === 'Internal server error';
}
