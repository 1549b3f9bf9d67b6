import { Catch, type ArgumentsHost, type RpcExceptionFilter } from '@nestjs/common';
import { throwError, type Observable } from 'rxjs';
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
