import { STATUS_CODES } from 'node:http';
import { HttpException } from '@nestjs/common';

export const PROBLEM_CONTENT_TYPE = 'application/problem+json; charset=utf-8';

/** One part of a request that was refused, addressed as `lines[0].quantity`. */
export interface FieldError {
  readonly field: string;
  readonly reason: string;
}

/** Body of every HTTP error, as in RFC 9457 with the extension `errors`. */
export interface ProblemDetails {
  /** URI of the kind of problem; `about:blank` when the status says it all. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  /** What is wrong with this request, for a human. */
  readonly detail?: string;
  /** Path of the request. */
  readonly instance?: string;
  readonly errors?: readonly FieldError[];
}

export interface ProblemOptions {
  /** @default the standard phrase of the status, such as `Unprocessable Entity` */
  readonly title?: string;
  readonly detail?: string;
  readonly errors?: readonly FieldError[];
  /** @default 'about:blank' */
  readonly type?: string;
  /** What led to the problem: logged, never sent. */
  readonly cause?: unknown;
  /** Extra response headers, such as `Retry-After`. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Thrown by a controller or service to answer with a chosen status and problem. */
export class ProblemException extends HttpException {
  readonly problem: ProblemDetails;
  readonly headers: Readonly<Record<string, string>>;

  /** @param status HTTP status from 400 to 599. */
  constructor(status: number, options: ProblemOptions = {}) {
    const problem = toProblem(status, options);
    super(problem.detail ?? problem.title, status, { cause: options.cause });
    this.problem = problem;
    this.headers = options.headers ?? {};
  }
}

/** The standard phrase of a status, `Error` for one that has none. */
export function statusPhrase(status: number): string {
  return STATUS_CODES[status] ?? 'Error';
}

export function toProblem(status: number, options: ProblemOptions = {}): ProblemDetails {
  return {
    type: options.type ?? 'about:blank',
    title: options.title ?? statusPhrase(status),
    status,
    ...(options.detail !== undefined && { detail: options.detail }),
    ...(options.errors !== undefined && { errors: options.errors }),
  };
}
