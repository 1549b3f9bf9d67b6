import {
  Catch,
  HttpException,
  Logger,
  type ArgumentsHost,
  type ExceptionFilter,
  type HttpServer,
} from '@nestjs/common';
import { throwError } from 'rxjs';
import {
  PROBLEM_CONTENT_TYPE,
  ProblemException,
  statusPhrase,
  toProblem,
  type ProblemDetails,
} from './problem.js';

const UNEXPECTED_DETAIL = 'The service met an unexpected error. It was logged under this request id.';

/** Injection token of an `ErrorTranslation`. */
export const ERROR_TRANSLATION = Symbol('ErrorTranslation');

/** Says what a client is told about an error of a library: an `HttpException`, or the error itself when it knows none. */
export type ErrorTranslation = (error: unknown) => unknown;

interface RequestUrl {
  readonly originalUrl?: string;
  readonly url?: string;
}

/** Answers every error as `application/problem+json`. Unexpected errors are logged once and sent without internals. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger('ProblemFilter');

  constructor(
    private readonly adapter: HttpServer,
    private readonly translate: ErrorTranslation = (error) => error,
  ) {}

  catch(thrown: unknown, host: ArgumentsHost): unknown {
    if (host.getType() !== 'http') {
      // Settlement of a message belongs to the transport: an answered error would be acknowledged.
      return throwError(() => thrown);
    }
    const exception = this.translate(thrown);
    const problem = describeProblem(exception);
    if (problem.status === 500 || (problem.status > 500 && hasCause(exception))) {
      this.logger.error(causeOf(exception));
    }
    const reply = host.switchToHttp().getResponse<unknown>();
    if (this.adapter.isHeadersSent(reply)) {
      this.adapter.end(reply);
      return reply;
    }
    if (exception instanceof ProblemException) {
      for (const [name, value] of Object.entries(exception.headers)) {
        this.adapter.setHeader(reply, name, value);
      }
    }
    this.adapter.setHeader(reply, 'Content-Type', PROBLEM_CONTENT_TYPE);
    const instance = pathOf(host.switchToHttp().getRequest<RequestUrl>());
    return this.adapter.reply(reply, { ...problem, instance }, problem.status);
  }
}

function describeProblem(exception: unknown): ProblemDetails {
  if (exception instanceof ProblemException) {
    return exception.problem;
  }
  if (exception instanceof HttpException && exception.getStatus() !== 500) {
    const status = exception.getStatus();
    const detail = detailOf(exception);
    // A detail that only repeats the title says nothing.
    return toProblem(status, detail === statusPhrase(status) ? {} : { detail });
  }
  return toProblem(500, { detail: UNEXPECTED_DETAIL });
}

function detailOf(exception: HttpException): string {
  const response = exception.getResponse();
  if (typeof response === 'object' && 'message' in response) {
    const { message } = response;
    return Array.isArray(message) ? message.join('; ') : String(message);
  }
  return exception.message;
}

function hasCause(exception: unknown): boolean {
  return exception instanceof Error && exception.cause !== undefined;
}

function causeOf(exception: unknown): unknown {
  return exception instanceof HttpException && exception.cause !== undefined ? exception.cause : exception;
}

/** Path of a request, without its query. */
export function pathOf(request: RequestUrl): string {
  // Middleware sees its request with a url cut down to what follows its own path.
  const url = request.originalUrl ?? request.url ?? '/';
  const query = url.indexOf('?');
  return query === -1 ? url : url.slice(0, query);
}
