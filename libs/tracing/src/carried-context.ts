import {
  context,
  isSpanContextValid,
  propagation,
  ROOT_CONTEXT,
  trace,
  TraceFlags,
  type Context,
  type Span,
  type SpanContext,
} from '@opentelemetry/api';
import { UnrecordedTrace } from './unrecorded-trace.js';

/** Headers as they came; names keep the case they were written in. */
export interface HeaderReader {
  keys(): Iterable<string>;
  get(name: string): string;
}

/** Go writes `Traceparent`, others write `traceparent`. */
const anyCase = {
  keys: (headers: HeaderReader) => [...headers.keys()],
  get(headers: HeaderReader, wanted: string): string | undefined {
    for (const name of headers.keys()) {
      if (name.length === wanted.length && name.toLowerCase() === wanted) return headers.get(name);
    }
    return undefined;
  },
};

/** The context that came with a message, whatever the case of its headers; undefined when none that is valid did. */
export function extractContext(headers: HeaderReader | undefined): Context | undefined {
  return headers && requireSpan(propagation.extract(ROOT_CONTEXT, headers, anyCase));
}

/** The context that came with headers whose names are in lower case, as Node gives those of requests. */
export function extractFrom(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Context | undefined {
  // Nearly all requests come without.
  const hasContext = propagation.fields().some((name) => headers[name] !== undefined);
  return hasContext ? requireSpan(propagation.extract(ROOT_CONTEXT, headers)) : undefined;
}

function requireSpan(extracted: Context): Context | undefined {
  const spanContext = trace.getSpanContext(extracted);
  return spanContext && isSpanContextValid(spanContext) ? extracted : undefined;
}

/** The headers by which others continue a trace, in lower case; none outside of traces. */
export function headersOf(of: Context = context.active()): Record<string, string> {
  const known = of instanceof UnrecordedTrace ? of.headers : undefined;
  if (known) return known;
  const headers: Record<string, string> = {};
  propagation.inject(of, headers);
  return headers;
}

/** The context in which a span is the current one. */
export function contextOf(span: Span, parent: Context = context.active()): Context {
  return trace.setSpan(parent, span);
}

/** The ids of a context's trace; undefined outside of traces. Nearly all traces are not recorded, and known without a span. */
export function spanContextOf(of: Context): SpanContext | undefined {
  if (!(of instanceof UnrecordedTrace)) return trace.getSpanContext(of);
  return of.isValid ? of : undefined;
}

/** True when what happens in a context is recorded. */
export function isRecorded(of: Context): boolean {
  return ((spanContextOf(of)?.traceFlags ?? 0) & TraceFlags.SAMPLED) !== 0;
}
