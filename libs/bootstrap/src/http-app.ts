import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { ModulesContainer } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { useJsonBodyParser } from './json-body.js';
import { PROBLEM_CONTENT_TYPE, toProblem } from './problem.js';
import { ERROR_TRANSLATION, pathOf, ProblemFilter, type ErrorTranslation } from './problem.filter.js';
import { createValidationPipe } from './validation.js';

/** Largest request body in bytes: 1 MiB. A larger one is answered 413. */
export const BODY_LIMIT_BYTES = 1024 * 1024;

/** Longest time to receive one request, in milliseconds. A slower one is answered 408. */
export const REQUEST_TIMEOUT_MS = 30_000;

/** Header that carries the id of a request, both ways. */
export const REQUEST_ID_HEADER = 'X-Request-Id';

/** Anything else would let a client write what it likes into the log. */
const ACCEPTABLE_REQUEST_ID = /^[\w.:/=+-]{1,128}$/;

/** Longest value of a path parameter, in characters. */
const MAX_PARAMETER_LENGTH = 512;

/** The HTTP server of every app: bounded bodies, parameters and request times. */
export function createHttpAdapter(): FastifyAdapter {
  return new FastifyAdapter({
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    // A request that arrives on an open connection during the drain is served, and the connection closed after it.
    return503OnClosing: false,
    // The router refuses a malformed path before Nest's error handling exists for the request.
    frameworkErrors: (error: FastifyError, request: FastifyRequest, reply: FastifyReply) => {
      const status = error.statusCode ?? 400;
      void reply
        .code(status)
        .header(REQUEST_ID_HEADER, request.id)
        .type(PROBLEM_CONTENT_TYPE)
        .send({ ...toProblem(status, { detail: error.message }), instance: pathOf(request) });
    },
    genReqId: (request: IncomingMessage) => requestId(request.headers['x-request-id']),
    routerOptions: { maxParamLength: MAX_PARAMETER_LENGTH },
  });
}

/**
 * Gives an app made with `createHttpAdapter()` the HTTP behaviour of every Slipstream app: validated DTOs,
 * `application/problem+json` errors and connections that close on drain. Call it before `app.init()`.
 */
export function configureHttp(app: NestFastifyApplication): void {
  useJsonBodyParser(app, BODY_LIMIT_BYTES);
  app.useGlobalPipes(createValidationPipe());
  app.useGlobalFilters(new ProblemFilter(app.getHttpAdapter(), errorTranslationOf(app)));
  const instance = app.getHttpAdapter().getInstance();
  instance.addHook('onRequest', (request, reply, done) => {
    reply.header(REQUEST_ID_HEADER, request.id);
    done();
  });
  closeConnectionsOnDrain(app);
}

/** Translated where errors are answered, not in an interceptor: that would cost every request that succeeds. */
function errorTranslationOf(app: NestFastifyApplication): ErrorTranslation | undefined {
  // Asked for by its token, Nest would log an error where there is none.
  const modules = [...app.get(ModulesContainer).values()];
  const provided = modules.map(({ providers }) => providers.get(ERROR_TRANSLATION)).find(Boolean);
  return provided?.instance as ErrorTranslation | undefined;
}

/** The id a client gave its request if it is fit for a log line, else a new one. */
function requestId(given: string | string[] | undefined): string {
  return typeof given === 'string' && ACCEPTABLE_REQUEST_ID.test(given) ? given : randomUUID();
}

/** Without it a keep-alive connection whose request was in flight holds the drain until its time-out of 72 s. */
function closeConnectionsOnDrain(app: NestFastifyApplication): void {
  const instance = app.getHttpAdapter().getInstance();
  let draining = false;
  instance.addHook('preClose', (done) => {
    draining = true;
    done();
  });
  instance.addHook('onSend', (_request, reply, payload, done) => {
    if (draining) {
      reply.header('Connection', 'close');
    }
    done(null, payload);
  });
}
