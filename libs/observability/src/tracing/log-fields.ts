import { context, type Context } from '@opentelemetry/api';
import { spanContextOf } from '@slipstream/tracing';

/** By which a log line finds its trace. */
export interface TraceFields {
  readonly trace_id: string;
  readonly span_id: string;
}

/** What log lines say about a trace; undefined outside of traces. */
export function traceFields(of: Context = context.active()): TraceFields | undefined {
  const current = spanContextOf(of);
  return current && { trace_id: current.traceId, span_id: current.spanId };
}
