import { ROOT_CONTEXT, SpanKind, SpanStatusCode, type Context, type Span } from '@opentelemetry/api';
import {
  contextOf,
  extractFrom,
  randomTraceId,
  startTracedBy,
  tracerOf,
  UnrecordedTrace,
} from '@slipstream/tracing';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ServerResponse } from 'node:http';

const SERVER = { kind: SpanKind.SERVER };
const SPAN = Symbol('span');
const CONTEXT = Symbol('context');

/** Kept with the request: a weak map costs the garbage collector more than all the rest of a trace. */
type TracedRequest = FastifyRequest & { [SPAN]?: Span; [CONTEXT]?: Context };

/** Spans of the requests this process answers, in the traces of those who send them. */
export class RequestTracing {
  private readonly tracer = tracerOf('observability');

  constructor(instance: FastifyInstance) {
    instance.decorateRequest(SPAN, undefined);
    instance.decorateRequest(CONTEXT, undefined);
  }

  begin(request: TracedRequest, path: string): void {
    const parent = extractFrom(request.headers);
    request[CONTEXT] = parent ? this.start(request, path, parent) : this.startTrace(request, path);
  }

  end(request: TracedRequest, { statusCode, writableEnded }: ServerResponse): void {
    const span = request[SPAN];
    if (!span) return;
    if (writableEnded) span.setAttribute('http.response.status_code', statusCode);
    if (statusCode >= 500 || !writableEnded) {
      span.setAttribute('error.type', writableEnded ? String(statusCode) : 'aborted');
      span.setStatus({ code: SpanStatusCode.ERROR });
    }
    span.end();
  }

  /** Id of the trace a request is recorded in, for exemplars. */
  recordedTraceIdOf(request: TracedRequest): string | undefined {
    return request[SPAN]?.spanContext().traceId;
  }

  /** The trace of a request; undefined for those that are in none, such as probes. */
  contextOf(request: TracedRequest): Context | undefined {
    return request[CONTEXT];
  }

  private startTrace(request: TracedRequest, path: string): Context {
    const traceId = randomTraceId();
    const begin = () => this.start(request, path, ROOT_CONTEXT);
    return UnrecordedTrace.begin(traceId) ?? startTracedBy(traceId, begin);
  }

  private start(request: TracedRequest, path: string, parent: Context): Context {
    const { method, routeOptions } = request;
    const route = routeOptions.url;
    const span = this.tracer.startSpan(route ? `${method} ${route}` : method, SERVER, parent);
    if (span.isRecording()) {
      request[SPAN] = span;
      span.setAttributes({
        'http.request.method': method,
        'url.path': path,
        ...(route && { 'http.route': route }),
      });
    }
    return contextOf(span, parent);
  }
}
