import { isSpanContextValid, trace, TraceFlags } from '@opentelemetry/api';

/** Id of the trace that is being recorded here; undefined where there is none, or where it is not sampled. */
export function currentTraceId(): string | undefined {
  const context = trace.getActiveSpan()?.spanContext();
  if (context === undefined || !isSpanContextValid(context)) return undefined;
  return (context.traceFlags & TraceFlags.SAMPLED) === 0 ? undefined : context.traceId;
}
