import { HttpException, Logger } from '@nestjs/common';
import { RpcException } from '@nestjs/microservices';
import { HandlerTimeoutError } from '../errors.js';

/** An error as Nest's NATS transport sends it. */
export interface RequestErrorBody {
  readonly status: 'error';
  readonly message: unknown;
}

const logger = new Logger('RequestHandler');

export function errorBody(message: unknown): RequestErrorBody {
  return { status: 'error', message };
}

/**
 * What whoever asked is told of an error. An `RpcException` says what it was made with, and an `HttpException` below 500,
 * which pipes throw, what it would answer over HTTP. Everything else is logged here and stays here.
 */
export function toErrorBody(error: unknown, subject: string): unknown {
  if (error instanceof RpcException) {
    const content = error.getError();
    return typeof content === 'object' ? content : errorBody(content);
  }
  if (error instanceof HttpException && error.getStatus() < 500) {
    const content = error.getResponse();
    return typeof content === 'object' ? { status: 'error', ...content } : errorBody(content);
  }
  if (error instanceof HandlerTimeoutError) return errorBody('Request timed out');
  logger.error({ err: error, subject }, 'a request failed');
  return errorBody('Internal server error');
}
