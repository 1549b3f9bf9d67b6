import {
  context,
  isSpanContextValid,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  type Attributes,
  type Span,
} from '@opentelemetry/api';
import { contextOf, headersOf, tracerOf } from '@slipstream/tracing';
import { subscribe } from 'node:diagnostics_channel';
import type { ClientRequest, IncomingMessage } from 'node:http';

const tracer = tracerOf('observability');
const recorded = new WeakMap<ClientRequest, Span>();

interface RequestEvent {
  readonly request: ClientRequest;
}

/** Makes a span of every HTTP request this process sends, and sends its context along. Node tells of them itself. */
export function traceOutgoingRequests(): void {
  subscribe('http.client.request.created', (event) => begin((event as RequestEvent).request));
  subscribe('http.client.request.error', (event) => {
    const { request, error } = event as RequestEvent & { error: { code?: unknown; name: string } };
    fail(recorded.get(request), typeof error.code === 'string' ? error.code : error.name);
  });
  subscribe('http.client.response.finish', (event) => {
    const { request, response } = event as RequestEvent & { response: IncomingMessage };
    const span = recorded.get(request);
    span?.setAttribute('http.response.status_code', response.statusCode ?? 0);
    if ((response.statusCode ?? 0) >= 400) fail(span, String(response.statusCode));
  });
}

function begin(request: ClientRequest): void {
  const span = tracer.startSpan(request.method, { kind: SpanKind.CLIENT }, context.active());
  // What exports spans is not traced.
  if (!isSpanContextValid(span.spanContext()) || request.headersSent) return;
  for (const [name, value] of Object.entries(headersOf(contextOf(span, ROOT_CONTEXT))))
    request.setHeader(name, value);
  if (!span.isRecording()) return;
  const authority = String(request.getHeader('host') ?? request.host);
  span.setAttributes({
    'http.request.method': request.method,
    ...targetOf(request.protocol, authority, request.path),
  });
  recorded.set(request, span);
  // Comes last, also when the connection is lost.
  request.once('close', () => span.end());
}

/** Where a request goes, by the conventions of OpenTelemetry for HTTP. A query may hold what is secret. */
export function targetOf(protocol: string, authority: string, path: string): Attributes {
  const url = URL.parse(`${protocol}//${authority}${path.split('?', 1)[0]}`);
  if (!url) return { 'server.address': authority };
  return {
    'server.address': url.hostname.replace(/^\[(.*)\]$/, '$1'),
    ...(url.port && { 'server.port': Number(url.port) }),
    'url.full': url.href,
  };
}

function fail(span: Span | undefined, type: string): void {
  span?.setAttribute('error.type', type);
  span?.setStatus({ code: SpanStatusCode.ERROR });
}
