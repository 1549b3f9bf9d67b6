import { Catch, type RpcExceptionFilter } from '@nestjs/common';
import { throwError, type Observable } from 'rxjs';

/**
 * Hands the thrown error on unchanged. Nest's own filter replaces every error by the object
 * `{status: 'error', message: 'Internal server error'}`, and the settlement could not tell a retryable one from a
 * terminal one. Filters declared on methods and classes still come first.
 */
@Catch()
export class ErrorIdentityFilter implements RpcExceptionFilter {
  catch(error: unknown): Observable<never> {
    return throwError(() => error);
  }
}
