import {
  ServiceUnavailableException,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { catchError, throwError, type Observable } from 'rxjs';
import { isDatabaseUnavailable } from './database-error.js';

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
