import { context, ROOT_CONTEXT } from '@opentelemetry/api';
import { spanContextOf } from '@slipstream/tracing';
import { AsyncLocalStorage } from 'node:async_hooks';
import type { ServerResponse } from 'node:http';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Params } from 'nestjs-pino';
import type { Logger } from 'pino';
import type { RequestTracing } from './tracing/request-tracing.js';

const UNLOGGED_PATHS = /^\/(health|metrics)(\/|$)/;

const handled = new AsyncLocalStorage<FastifyRequest>();

/** Has Nest log to `log`, without the middleware of nestjs-pino, which would make a logger for every request. */
export function nestLogOptions(log: Logger): Params {
  return {
    pinoHttp: { logger: log, wrapSerializers: false, serializers: { req: (req: unknown) => req } },
    forRoutes: [],
  };
}

/** What a log line says about the request during which it is written; undefined outside of requests. */
export function currentRequest(): { readonly req: object } | undefined {
  const request = handled.getStore();
  return request && { req: describe(request) };
}

/**
 * Writes one line per request with its id, method, path, status and duration; bodies and headers are never logged. Lines
 * of a log made by `createLog` that are written while a request is handled name it.
 * @param tracing absent while tracing is off
 */
export function logRequests(instance: FastifyInstance, parent: Logger, tracing?: RequestTracing): void {
  // No header is in these lines; looking for secrets in them would take longer than writing them.
  const log = parent.child({}, { redact: [] });
  instance.addHook('onRequest', (request, { raw: response }, done) => {
    const path = pathOf(request);
    if (!UNLOGGED_PATHS.test(path)) {
      const startedAt = performance.now();
      tracing?.begin(request, path);
      // Comes last, also when the client went away.
      response.on('close', () => {
        tracing?.end(request, response);
        write({ log, request, response, tracing }, performance.now() - startedAt);
      });
    }
    done();
  });
  // Not earlier: a body ends in an event of the socket, which is not of the context in which the request began.
  instance.addHook('preValidation', (request, _reply, done) => {
    const traced = tracing?.contextOf(request);
    if (!traced) return handled.run(request, done);
    context.with(traced, () => {
      // Ends with the trace's scope: `run` would make another map of all storages to come back to it.
      handled.enterWith(request);
      done();
    });
  });
}

interface Answered {
  readonly log: Logger;
  readonly request: FastifyRequest;
  readonly response: ServerResponse;
  readonly tracing: RequestTracing | undefined;
}

function write({ log, request, response, tracing }: Answered, durationMs: number): void {
  const isFailed = response.statusCode >= 500;
  const level = levelOf(response.statusCode);
  if (!log.isLevelEnabled(level)) return;
  const outcome = isFailed ? 'failed' : response.writableEnded ? 'handled' : 'aborted';
  const trace = tracing && spanContextOf(tracing.contextOf(request) ?? ROOT_CONTEXT);
  const line = {
    req: describe(request),
    res: { status: response.statusCode },
    duration_ms: Math.round(durationMs * 1_000) / 1_000,
    trace_id: trace?.traceId,
    span_id: trace?.spanId,
  };
  log[level](line, `request ${outcome}`);
}

function levelOf(status: number): 'error' | 'warn' | 'info' {
  // Refused until there is room again: nothing is broken, and there may be thousands of them.
  if (status === 503) return 'warn';
  return status >= 500 ? 'error' : 'info';
}

function describe(request: FastifyRequest): object {
  return { id: request.id, method: request.method, path: pathOf(request) };
}

/** Path without the query: a query may hold what does not belong into a log. */
function pathOf({ originalUrl }: FastifyRequest): string {
  const query = originalUrl.indexOf('?');
  return query === -1 ? originalUrl : originalUrl.slice(0, query);
}
